"""Claims about single stages: figures 7, 8 and 2, and Far before training visits it.

Claims name a stage by its role, so that they can be asked of other sequences too: in the paper the first
Close stage is hammer, the last push; the first Far stage is peg-unplug-side, the last push-wall.
"""

from __future__ import annotations

from functools import partial

from fpc.claims.claim import Claim, ClaimContext, Measurement, NotTestable, TablesByExperiment
from fpc.claims.measures import compare, one_sample
from fpc.claims.robotic_measures import (
    BC,
    DIP,
    DOMAIN,
    EM,
    EWC,
    KEPT,
    KS,
    LEARNED,
    LOST,
    SCRATCH,
    SHORT,
    TRAINED,
    TUNED,
    VANILLA,
    at_the_end,
    average,
    course,
    difference,
    dips,
    extreme,
    keeps,
    knows,
    only,
    robotic,
    stage,
    stages_of,
)
from fpc.claims.unvisited import before_first_visit, difference_before_visits

TWO_STAGES = f"{DOMAIN}_two_stages"


def close_is_learned(
    tables: TablesByExperiment, context: ClaimContext, methods: tuple[str, ...] = TRAINED
) -> Measurement:
    """Success at the end of the weakest method on its weakest Close stage."""
    found = only(tables)
    weakest = {
        probe: extreme(found, context, methods, probe, at_the_end) for probe in stages_of(found)["close"]
    }
    probe = min(weakest, key=lambda name: float(at_the_end(weakest[name][1]).mean()))
    method, runs = weakest[probe]
    return one_sample(at_the_end(runs), f"weakest: {SHORT[method]} on {probe}", runs.limits)


def faster_than_scratch(tables: TablesByExperiment, context: ClaimContext) -> Measurement:
    """Success over training on the last Close stage: the slowest fine-tuned method minus scratch."""
    found = only(tables)
    method, slowest = extreme(found, context, TUNED, "last_close", average)
    _, best = extreme(found, context, TRAINED, "last_close", at_the_end, max)
    if (height := float(at_the_end(best).mean())) < LEARNED:
        raise NotTestable(f"no method learns {stage(found, 'last_close')} (best {height:.2f})")
    scratch = course(found, context, SCRATCH, "last_close")
    return compare(slowest, scratch, average, f"slowest: {SHORT[method]}")


def bc_keeps_most(tables: TablesByExperiment, context: ClaimContext) -> Measurement:
    """Far success over training: BC minus the best of the other fine-tuned methods."""
    found = only(tables)
    bc = course(found, context, BC, "far")
    knows(found, context, bc, "far")
    return difference(tables, context, BC, (VANILLA, EM, EWC), "far", average)


def unvisited(tables: TablesByExperiment, context: ClaimContext, method: str) -> Measurement:
    """Success on the last Far stage before training first visits it, as a share of pi*'s."""
    found = only(tables)
    probe = stage(found, "last_far")
    runs = before_first_visit(found, context, method, probe)
    knows(found, context, runs, probe)
    pi_star = float(runs.first.mean())
    return one_sample(runs.last / pi_star, f"{len(runs.seeds)} seeds, {probe}", (0.0, 1.0 / pi_star))


def unvisited_difference(
    tables: TablesByExperiment, context: ClaimContext, better: str, worse: str
) -> Measurement:
    """Success on the last Far stage, in pairs of seeds, before the first of the two visits it."""
    found = only(tables)
    probe = stage(found, "last_far")
    courses = {method: course(found, context, method, probe) for method in (better, worse)}
    knows(found, context, courses[better], probe)
    return difference_before_visits(found, context, courses, probe)


def _keeps_far(role: str, name: str) -> Claim:
    return robotic(
        f"bc_keeps_{role}",
        f"BC never loses the {name}.",
        ("Figure 7", "BC never below .9"),
        f"BC's success on the {name} at every milestone, as a share of pi*'s",
        keeps(BC, role),
        above=KEPT,
    )


def _dips(method: str, role: str, name: str, paper: str) -> Claim:
    return robotic(
        f"{SHORT[method].lower()}_dips_on_{role}",
        f"{SHORT[method]} forgets the {name} first and learns it again.",
        ("Figure 7", paper),
        f"{SHORT[method]}'s success on the {name}: how far it is below both pi*'s and its own at the end, at "
        "any milestone",
        partial(dips, method=method, where=role),
        above=DIP,
    )


def _less_unvisited(method: str) -> Claim:
    return robotic(
        f"{SHORT[method].lower()}_above_vanilla_unvisited",
        f"Before Far is visited, {SHORT[method]} has lost less of it than vanilla.",
        ("Section 1", "retention mitigates forgetting"),
        f"success on the last Far stage, {SHORT[method]} minus vanilla in pairs of seeds, at the last "
        "milestone before either first visits the stage",
        partial(unvisited_difference, better=method, worse=VANILLA),
        above=0.0,
    )


FIRST, LAST = "first Far stage (of several)", "last Far stage"
STAGE_CLAIMS = (
    robotic(
        "close_is_learned",
        "All of the paper's methods learn the Close stages, scratch too, and end with them.",
        ("Figure 7", "hammer .9 or more within 1M and kept, push .8 or more at the end"),
        "success at the end of the method and the Close stage with the lowest mean (KS left out)",
        close_is_learned,
        above=LEARNED,
    ),
    robotic(
        "last_close_faster",
        "Every fine-tuned method learns the last Close stage (push) faster than scratch.",
        ("Figure 7", "every fine-tuned method faster than scratch"),
        "success on the last Close stage averaged over training, slowest fine-tuned method (KS left out) "
        "minus scratch",
        faster_than_scratch,
        above=0.0,
    ),
    robotic(
        "vanilla_forgets",
        "Vanilla fine-tuning loses the Far stages, which it does not visit early.",
        ("Figure 7", "falls to 0"),
        "vanilla's Far success at any milestone, as a share of pi*'s",
        keeps(VANILLA, "far", holds="any"),
        below=LOST,
    ),
    _keeps_far("first_far", FIRST),
    _keeps_far("last_far", LAST),
    _dips(EM, "first_far", FIRST, "below .2 within 1M, .9 or more at the end"),
    _dips(EM, "last_far", LAST, "below .1 within 1M, .85 or more at the end"),
    _dips(EWC, "first_far", FIRST, "below .65 within 1M, .9 or more at the end"),
    _dips(EWC, "last_far", LAST, "below .5 within 1M, .6 or more at the end"),
    robotic(
        "bc_keeps_most_of_far",
        "Only BC prevents the fall of Far: it keeps more of it than any other method.",
        ("Figure 7", "BC never below .9, all others fall"),
        "Far success averaged over training, BC minus the best of vanilla, EM and EWC (that BC never falls "
        "and that each of them does are claims of their own)",
        bc_keeps_most,
        above=0.0,
    ),
    robotic(
        "vanilla_relearns",
        "Vanilla loses the last Far stage and learns it again.",
        ("Figure 8", "near 0 by 100k, above .8 again by about 4M"),
        "vanilla's success on the last Far stage: how far it is below both pi*'s and its own at the end, at "
        "any milestone",
        partial(dips, method=VANILLA, where="last_far"),
        above=DIP,
    ),
    robotic(
        "vanilla_forgets_unvisited",
        "Vanilla does not keep Far until it first visits it: nothing new overwrote it there.",
        ("Section 1", "forgetting on states not visited early"),
        "vanilla's success on the last Far stage at the last milestone before its first visit, as a share "
        "of pi*'s",
        partial(unvisited, method=VANILLA),
        below=KEPT,
    ),
    robotic(
        "bc_keeps_far_unvisited",
        "BC keeps Far until it is visited.",
        ("Section 1, Figure 7", "BC never below .9"),
        "BC's success on the last Far stage at the last milestone before its first visit, as a share "
        "of pi*'s",
        partial(unvisited, method=BC),
        above=KEPT,
    ),
    *(_less_unvisited(method) for method in (BC, EM, EWC, KS)),
    robotic(
        "two_stages_close_is_learned",
        "With two stages, vanilla and BC learn the first.",
        ("Figure 2", "rises"),
        "success on the Close stage at the end, of vanilla or BC, whichever has the lower mean",
        partial(close_is_learned, methods=(VANILLA, BC)),
        above=LEARNED,
        experiments=(TWO_STAGES,),
    ),
    robotic(
        "vanilla_forgets_two_stages",
        "With two stages, vanilla fine-tuning loses the second while it learns the first.",
        ("Figure 2", "falls"),
        "vanilla's Far success at any milestone, as a share of pi*'s",
        keeps(VANILLA, "far", holds="any"),
        below=LOST,
        experiments=(TWO_STAGES,),
    ),
    robotic(
        "bc_keeps_far_two_stages",
        "With two stages, BC keeps the second.",
        ("Figure 2", "near 1"),
        "BC's Far success at every milestone, as a share of pi*'s",
        keeps(BC, "far"),
        above=KEPT,
        experiments=(TWO_STAGES,),
    ),
)
