"""Claims about RoboticSequence. Far stages are those that pi* was trained on.

Here: pi* itself, the whole sequence (figure 3c) and kickstarting. Thresholds are explained in
``robotic_measures``; all were fixed before the results that they judge were made.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from fpc.claims.claim import Claim, ClaimContext, Measurement, NotTestable, TablesByExperiment
from fpc.claims.measures import Runs, pi_star_by_start
from fpc.claims.robotic_ablations import ABLATION_CLAIMS
from fpc.claims.robotic_levels import LEVEL_CLAIMS
from fpc.claims.robotic_measures import (
    ALIKE,
    BC,
    EM,
    EWC,
    EXPERIMENT,
    KNOWN,
    KS,
    LEARNED,
    LOST,
    NO_BETTER,
    SCRATCH,
    TRAINED,
    VANILLA,
    alike,
    always,
    at_the_end,
    average,
    course,
    difference,
    extreme,
    only,
    robotic,
    stages_of,
)
from fpc.claims.robotic_networks import NETWORK_CLAIMS
from fpc.claims.robotic_stages import STAGE_CLAIMS, unvisited
from fpc.claims.robotic_transfer import TRANSFER_CLAIMS
from fpc.claims.scores import Benchmark


def pi_star_on(tables: TablesByExperiment, context: ClaimContext, group: str) -> Measurement:
    """pi*'s success by start state; on Far, minus an untrained policy's (scratch at step 0) by seed."""
    found = only(tables)
    ours = pi_star_by_start(found, group=group)
    if len(ours.first) < context.minimum_seeds:
        raise NotTestable(f"{len(ours.first)} {ours.unit}s; {context.minimum_seeds} are asked for")
    if group == "close":
        return ours
    untrained = course(found, context, SCRATCH, group).first
    return replace(ours, second=untrained, reference=True)


def vanilla_like_scratch(tables: TablesByExperiment, context: ClaimContext) -> Measurement:
    """Whole-sequence success at the end, vanilla minus scratch, unless all can do nothing."""
    found = only(tables)
    _, best = extreme(found, context, TRAINED, "whole", at_the_end, max)
    if (height := float(at_the_end(best).mean())) < LEARNED:
        raise NotTestable(
            f"no method ends above {LEARNED:g} on the whole sequence (best {height:.2f}): all are alike"
        )
    stages = [probe for names in stages_of(found).values() for probe in names]
    heights = [float(course(found, context, SCRATCH, probe).values.mean(axis=0).max()) for probe in stages]
    if max(heights) < LEARNED:
        raise NotTestable(
            f"scratch reaches {max(heights):.2f} at most on any stage: the budget is too short for it"
        )
    return difference(tables, context, VANILLA, SCRATCH)


def keeps_what_it_learns(tables: TablesByExperiment, context: ClaimContext) -> Measurement:
    """BC's whole-sequence success at the end minus that at every milestone."""
    runs = course(only(tables), context, BC, "whole")
    if (height := float(runs.values.mean(axis=0).max())) < LEARNED:
        raise NotTestable(f"BC reaches {height:.2f} at most on the whole sequence: nothing to keep")
    kept = at_the_end(runs)[:, None] - always(runs)
    return Measurement(kept, note=f"at {runs.steps[-1]:,} steps", limits=(-1.0, 1.0))


def whole(tables: TablesByExperiment, context: ClaimContext, method: str) -> Runs:
    """Success on the whole sequence."""
    return course(only(tables), context, method, "whole")


def kickstarting_against_vanilla(tables: TablesByExperiment, context: ClaimContext) -> Measurement:
    """Whole-sequence success at the end, KS minus vanilla, if retention (BC) gains anything there."""
    gain = difference(tables, context, BC, VANILLA)
    if gain.effect <= NO_BETTER:
        raise NotTestable(f"BC is {gain.effect:.2f} above vanilla at the end: there is nothing to fail at")
    return difference(tables, context, KS, VANILLA)


END_OF_WHOLE = "success on the whole sequence at the end (last tenth of training)"


def _ordering(name: str, statement: str, paper: str, better: str, worse: str | tuple[str, ...]) -> Claim:
    pair = name.replace("_above_", " minus ").replace("rest", "the best of EWC, vanilla and scratch")
    return robotic(
        name,
        statement,
        ("Figure 3c", paper),
        f"{END_OF_WHOLE}, {pair.replace('bc', 'BC').replace('em ', 'EM ').replace('ewc', 'EWC')}",
        partial(difference, better=better, worse=worse),
        above=0.0,
    )


REST = (EWC, VANILLA, SCRATCH)
WHOLE_CLAIMS = (
    robotic(
        "pi_star_knows_far",
        "pi* is good on the Far stages.",
        ("Section 1", "trained there to 100 % success"),
        "pi*'s success on Far by start state, minus an untrained policy's by seed",
        partial(pi_star_on, group="far"),
        above=KNOWN,
    ),
    robotic(
        "pi_star_fails_on_close",
        "pi* fails on the Close stages: a state coverage gap.",
        ("Section 1", "good mostly on Far only"),
        "pi*'s success on the Close stages by start state",
        partial(pi_star_on, group="close"),
        below=LOST,
    ),
    robotic(
        "bc_like_em",
        "BC and EM end about equally high.",
        ("Figure 3c", "BC about equal to EM at the end"),
        f"{END_OF_WHOLE}, BC minus EM",
        partial(alike, first=BC, second=EM),
        above=-ALIKE,
        below=ALIKE,
    ),
    _ordering(
        "bc_above_rest",
        "BC ends above EWC, vanilla and scratch.",
        "BC and EM above every other method",
        BC,
        REST,
    ),
    _ordering(
        "em_above_rest",
        "EM ends above EWC, vanilla and scratch.",
        "BC and EM above every other method",
        EM,
        REST,
    ),
    _ordering(
        "bc_above_vanilla",
        "Forgetting costs downstream return: with the same budget BC ends above vanilla.",
        "about .8 against scratch's level",
        BC,
        VANILLA,
    ),
    _ordering("em_above_vanilla", "EM ends above vanilla.", "EM >> vanilla", EM, VANILLA),
    _ordering("ewc_above_vanilla", "EWC ends above vanilla.", "EWC >> vanilla", EWC, VANILLA),
    robotic(
        "bc_ahead_of_em",
        "BC is ahead of EM, which relearns what it forgot, in the course of training.",
        ("Figure 3c", "BC > EM; BC at .8 by 1M"),
        "success on the whole sequence averaged over training, BC minus EM",
        partial(difference, better=BC, worse=EM, take=average),
        above=0.0,
    ),
    robotic(
        "vanilla_like_scratch",
        "Vanilla fine-tuning ends about as high as training from scratch.",
        ("Figure 3c", "vanilla about equal to scratch"),
        f"{END_OF_WHOLE}, vanilla minus scratch",
        vanilla_like_scratch,
        above=-ALIKE,
        below=ALIKE,
    ),
    robotic(
        "bc_keeps_what_it_learns",
        "Once BC solves the sequence, it continues to.",
        ("Figure 3c", "at about .8 by 1M and stays there"),
        f"{END_OF_WHOLE} minus that at every milestone, BC",
        keeps_what_it_learns,
        above=-ALIKE,
    ),
    robotic(
        "kickstarting_fails",
        "Kickstarting fails under a state coverage gap: it is no better than vanilla.",
        ("Section 1", "argued, not measured on this domain"),
        f"{END_OF_WHOLE}, KS minus vanilla",
        kickstarting_against_vanilla,
        below=NO_BETTER,
    ),
    robotic(
        "kickstarting_hinders_close",
        "Kickstarting pulls towards pi* on Close states, which pi* never saw: they are learned more slowly.",
        ("Section 1", "argued, not measured on this domain"),
        "success on the Close stages averaged over training, KS minus vanilla",
        partial(difference, better=KS, worse=VANILLA, where="close", take=average),
        below=0.0,
    ),
)
BENCHMARK = Benchmark(
    EXPERIMENT,
    score=END_OF_WHOLE,
    course=whole,
    take=at_the_end,
    kept="success on the last Far stage before training first visits it, as a share of pi*'s",
    far_kept=unvisited,
    solved=f"success on the whole sequence is {LEARNED:g} or more",
    threshold=LEARNED,
)
CLAIMS = (
    *WHOLE_CLAIMS,
    *STAGE_CLAIMS,
    *NETWORK_CLAIMS,
    *ABLATION_CLAIMS,
    *TRANSFER_CLAIMS,
    *LEVEL_CLAIMS,
)
