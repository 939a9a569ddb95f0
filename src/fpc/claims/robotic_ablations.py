"""Claims about RoboticSequence's ablations, figures 21 to 27; their tables belong to variants."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from fpc.claims.claim import Claim, ClaimContext, Measurement, NotTestable, TablesByExperiment
from fpc.claims.measures import RATE, Runs, compare
from fpc.claims.robotic_measures import (
    ALIKE,
    BC,
    DOMAIN,
    EWC,
    KEPT,
    LEARNED,
    LOST,
    SHORT,
    VANILLA,
    Measure,
    at_the_end,
    average,
    course,
    difference,
    keeps,
    knows,
    only,
    robotic,
    stages_of,
)
from fpc.core.statistics import Array

WIDTHS, DEPTHS = (256, 512, 1024), (2, 3, 4)
RESET = f"{DOMAIN}_reset_heads"
SIZES = tuple(f"{DOMAIN}_width_{width}_depth_{depth}" for width in WIDTHS for depth in DEPTHS)
LEAST_SHIFT = f"{DOMAIN}_shift_0.01"
SMALL, FULL = (f"{DOMAIN}_memory_{size}" for size in (100, 10000))


def _over_stages(tables: TablesByExperiment, context: ClaimContext, experiment: str, method: str) -> Runs:
    """Success averaged over all single stages."""
    found = tables[experiment]
    stages = [probe for names in stages_of(found).values() for probe in names]
    runs = [course(found, context, method, probe) for probe in stages]
    values = np.mean([run.values for run in runs], axis=0)
    return replace(runs[0], values=values)


def reset_costs(tables: TablesByExperiment, context: ClaimContext) -> Measurement:
    """Success over stages and training, heads kept minus heads reset, of the method that loses least."""
    losses: dict[str, tuple[Runs, Runs]] = {}
    for method in (VANILLA, BC, EWC):
        kept, reset = (_over_stages(tables, context, name, method) for name in (DOMAIN, RESET))
        losses[method] = kept, reset
    gap = {
        method: float(kept.average.mean() - reset.average.mean()) for method, (kept, reset) in losses.items()
    }
    method = min(gap, key=lambda name: gap[name])
    return compare(*losses[method], lambda runs: runs.average, f"loses least: {SHORT[method]}")


def far_difference(tables: TablesByExperiment, context: ClaimContext) -> Measurement:
    """Far success over training, BC minus vanilla."""
    found = only(tables)
    knows(found, context, course(found, context, VANILLA, "far"), "far")
    return difference(tables, context, BC, VANILLA, "far", average)


def small_memory(tables: TablesByExperiment, context: ClaimContext) -> Measurement:
    """BC's whole-sequence success at the end, with 100 states minus with 10,000."""
    small, full = (course(tables[name], context, BC, "whole") for name in (SMALL, FULL))
    if (best := float(at_the_end(full).mean())) < LEARNED:
        raise NotTestable(f"with 10,000 states BC ends at {best:.2f} on the whole sequence: nothing to lose")
    return compare(small, full, at_the_end, f"at {small.steps[-1]:,} steps")


def _ends(tables: TablesByExperiment, context: ClaimContext, method: str) -> Array:
    """Whole-sequence success at the end by size and seed, ``[widths, depths, seeds]``."""
    ends = [at_the_end(course(tables[name], context, method, "whole")) for name in SIZES]
    if len({len(values) for values in ends}) > 1:
        raise NotTestable("sizes differ in their number of seeds")
    return np.asarray(ends, dtype=np.float64).reshape(len(WIDTHS), len(DEPTHS), -1)


def size_trend(tables: TablesByExperiment, context: ClaimContext, axis: int) -> Measurement:
    """BC at the largest size minus at the smallest, averaged over the other option; axis 0 is the width."""
    ends = _ends(tables, context, BC)
    if (best := float(ends.mean(axis=2).max())) < LEARNED:
        raise NotTestable(f"BC learns the whole sequence at no size (best {best:.2f})")
    by_size = ends.mean(axis=1 - axis)
    return Measurement(by_size[-1], by_size[0], "largest minus smallest, at the end", limits=RATE)


def ewc_with_two_layers(tables: TablesByExperiment, context: ClaimContext) -> Measurement:
    """EWC with two hidden layers minus with more, averaged over widths."""
    by_depth = _ends(tables, context, EWC).mean(axis=0)
    return Measurement(
        by_depth[0], by_depth[1:].mean(axis=0), "2 layers minus 3 and 4, at the end", limits=RATE
    )


def after_a_shift(
    tables: TablesByExperiment, context: ClaimContext, experiment: str, measure: Measure
) -> Measurement:
    """A measure of vanilla, if it is the shift that makes the gap.

    A stage has an output head of its own. Where that of a shifted stage is new, pi* fails there at any c.
    """
    at_first = course(tables[LEAST_SHIFT], context, VANILLA, "close").values[:, 0]
    if (start := float(at_first.mean())) < LEARNED:
        raise NotTestable(
            f"with c = 0.01 pi* starts at {start:.2f} on the shifted stages, whose output heads are new: the "
            "shift does not make the gap"
        )
    return measure({experiment: tables[experiment]}, context)


def _shift(size: str, paper: str, above: float | None, below: float | None) -> Claim:
    when, measure = {
        "none": ("at every milestone", keeps(VANILLA, "far")),
        "partial": ("averaged over training", keeps(VANILLA, "far", take=average)),
        "total": ("at any milestone", keeps(VANILLA, "far", holds="any")),
    }[paper]
    name = f"{DOMAIN}_shift_{size}"
    return robotic(
        f"shift_{size}",
        f"Observations shifted by c = {size} before the known stages: forgetting is {paper}.",
        ("Figure 22", f"{paper} at c = {size}"),
        f"vanilla's Far success {when}, as a share of pi*'s",
        partial(after_a_shift, experiment=name, measure=measure),
        above=above,
        below=below,
        experiments=tuple(dict.fromkeys((name, LEAST_SHIFT))),
    )


ABLATION_CLAIMS = (
    robotic(
        "reset_heads_cost",
        "With its last layers reset before fine-tuning, every method is worse.",
        ("Figure 21", "head reset makes all worse"),
        "success averaged over stages and training, heads kept minus heads reset, of the method (vanilla, "
        "BC, EWC) that loses least",
        reset_costs,
        above=0.0,
        experiments=(DOMAIN, RESET),
    ),
    _shift("0.01", "none", KEPT, None),
    _shift("0.1", "partial", LOST, KEPT),
    _shift("1", "total", None, LOST),
    _shift("10", "total", None, LOST),
    robotic(
        "known_middle_still_has_a_gap",
        "With the known stages in the middle, behind one unknown stage, BC keeps more of Far than vanilla.",
        ("Figure 23", "not printed"),
        "Far success averaged over training, BC minus vanilla",
        far_difference,
        above=0.0,
        experiments=(f"{DOMAIN}_known_middle",),
    ),
    robotic(
        "known_first_is_kept",
        "Without a gap (known stages first) vanilla does not forget.",
        ("Figure 24", "no gap"),
        "vanilla's success on the known stages at the end, as a share of pi*'s",
        keeps(VANILLA, "far", take=at_the_end),
        above=KEPT,
        experiments=(f"{DOMAIN}_known_first",),
    ),
    robotic(
        "other_sequence_forgets",
        "On another sequence vanilla loses Far too.",
        ("Figure 25", "as in Figure 7"),
        "vanilla's Far success at any milestone, as a share of pi*'s",
        keeps(VANILLA, "far", holds="any"),
        below=LOST,
        experiments=(f"{DOMAIN}_other",),
    ),
    robotic(
        "other_sequence_bc_above_vanilla",
        "On another sequence BC is better than vanilla too.",
        ("Figure 25", "as in Figure 3c"),
        "success on the whole sequence at the end, BC minus vanilla",
        partial(difference, better=BC, worse=VANILLA),
        above=0.0,
        experiments=(f"{DOMAIN}_other",),
    ),
    robotic(
        "small_memory_suffices",
        "Behavioural cloning still works with 100 states.",
        ("Figure 26", "100 states still work"),
        "BC's success on the whole sequence at the end, with 100 states minus with 10,000",
        small_memory,
        above=-ALIKE,
        experiments=(SMALL, FULL),
    ),
    robotic(
        "no_trend_over_width",
        "The width of the network makes no clear difference.",
        ("Figure 27", "no clear trend"),
        "BC's success on the whole sequence at the end, mean over depths, 1024 units minus 256",
        partial(size_trend, axis=0),
        above=-ALIKE,
        below=ALIKE,
        experiments=SIZES,
    ),
    robotic(
        "no_trend_over_depth",
        "The depth of the network makes no clear difference.",
        ("Figure 27", "no clear trend"),
        "BC's success on the whole sequence at the end, mean over widths, 4 layers minus 2",
        partial(size_trend, axis=1),
        above=-ALIKE,
        below=ALIKE,
        experiments=SIZES,
    ),
    robotic(
        "ewc_fails_with_two_layers",
        "EWC fails with two layers.",
        ("Figure 27", "EWC fails with 2 layers"),
        "EWC's success on the whole sequence at the end, mean over widths, 2 layers minus 3 and 4",
        ewc_with_two_layers,
        below=0.0,
        experiments=SIZES,
    ),
)
