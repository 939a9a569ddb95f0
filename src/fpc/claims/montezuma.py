"""Claims about Montezuma's Revenge. Far is the room that pi* was trained from (the paper's Room 7).

The rules were fixed before the runs they judge. Success is that of attempts from start states in the room,
and pi*'s success is that of the same runs at step 0, so changes are paired by seed. A loss is a drop of more
than ``MARGIN``. Nothing can be forgotten if pi* succeeds in less than ``KNOWN`` of its attempts.

Vanilla drops early and partly recovers after 20M steps (paper, figure 6), so its loss is measured at the last
step up to then. Returns separate the methods only from about then on.

Three seeds suffice, as runs are long; every seed's number is listed with the verdict.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from fpc.claims import measures
from fpc.claims.claim import Claim, ClaimContext, Measurement, NotTestable, TablesByExperiment, claim_of
from fpc.claims.measures import Runs, at_least_steps, far_probe, listed, one_sample, runs_of, same_budget

DOMAIN = EXPERIMENT = "montezuma"
CLOSE, RANDOM, ROOM = "start", "random", "room_"
BC, KS = "behavioral_cloning", "kickstarting"
MARGIN = 0.1  # fraction of the attempts
KNOWN = 0.8  # pi*'s success
EARLY, LATE = 20_000_000, 40_000_000  # environment steps that the paper refers to
_claim = partial(claim_of, DOMAIN)


def _success(tables: TablesByExperiment, context: ClaimContext, method: str) -> Runs:
    """Success in the Far room, if pi* knows it."""
    runs = runs_of(tables[EXPERIMENT], context, method, probe=far_probe(tables[EXPERIMENT], ROOM))
    if runs.steps[0] != 0:
        raise NotTestable(f"the first milestone is at {runs.steps[0]:,} steps; pi* is measured at 0")
    measures.knows(runs, KNOWN)
    return runs


def advantage_over_random(tables: TablesByExperiment, context: ClaimContext) -> Measurement:
    """pi*'s success minus a random policy's in the same attempts, from the runs of vanilla."""
    runs = runs_of(tables[EXPERIMENT], context, "vanilla", probe=far_probe(tables[EXPERIMENT], ROOM))
    episodes = measures.table(tables[EXPERIMENT], "episodes")
    rows = episodes[(episodes["probe"] == RANDOM) & (episodes["method"] == "vanilla")]
    random = rows[rows["measure"] == "success"].groupby("seed")["value"].mean().to_numpy()
    if len(random) != len(runs.first):
        raise NotTestable("a random policy was not measured beside pi*")
    note = f"pi* {listed(runs.first)}, random {listed(random)}"
    return one_sample(runs.first - random, note)


def change_from_pi_star(tables: TablesByExperiment, context: ClaimContext, method: str) -> Measurement:
    """Success at the last step up to ``EARLY``, minus that at step 0 of the same run."""
    runs = _success(tables, context, method)
    index = _early(runs)
    changes = runs.values[:, index] - runs.first
    note = f"seeds {listed(runs.values[:, index])} from pi*'s {listed(runs.first)}"
    return one_sample(changes, f"{note}, at {runs.steps[index]:,} steps")


def recovery(tables: TablesByExperiment, context: ClaimContext, method: str) -> Measurement:
    """Success at the last step, minus that at the last step up to ``EARLY``."""
    runs = _success(tables, context, method)
    at_least_steps(runs, LATE)
    early = runs.values[:, _early(runs)]
    return one_sample(runs.last - early, f"{listed(early)} to {listed(runs.last)}")


def _early(runs: Runs) -> int:
    """Index of the last step up to ``EARLY``."""
    return int(np.searchsorted(runs.steps, EARLY, side="right")) - 1


def far_difference(tables: TablesByExperiment, context: ClaimContext, better: str, worse: str) -> Measurement:
    """Success of one method minus another's, at the last step of an equal budget."""
    first, second = (_success(tables, context, method) for method in (better, worse))
    same_budget(first, second)
    note = f"{better} {listed(first.last)}, {worse} {listed(second.last)} at {first.steps[-1]:,} steps"
    return Measurement(first.last, second.last, note)


def return_difference(
    tables: TablesByExperiment, context: ClaimContext, better: str, worse: str, average: bool = False
) -> Measurement:
    """Return from the start of one method minus another's, at the last step or averaged over steps."""
    first, second = (
        runs_of(tables[EXPERIMENT], context, method, measure="return", probe=CLOSE)
        for method in (better, worse)
    )
    same_budget(first, second)
    at_least_steps(first, EARLY)
    ours, theirs = (runs.average if average else runs.last for runs in (first, second))
    note = f"{better} {listed(ours)}, {worse} {listed(theirs)}"
    return Measurement(ours, theirs, note)


def _keeps(method: str, label: str) -> Claim:
    return _claim(
        f"{method}_keeps_far",
        f"With {label}, success in Room 7 stays near pi*'s.",
        ("Figure 6", "near pi*'s"),
        f"success at the last step (up to 20M) minus that at step 0, {label}; a tenth below still counts",
        partial(change_from_pi_star, method=method),
        above=-MARGIN,
    )


def _above_on_far(better: str, worse: str, labels: str, paper: tuple[str, str]) -> Claim:
    return _claim(
        f"{better}_above_{worse}_on_far",
        f"{labels}: the higher success in Room 7.",
        paper,
        f"success in Room 7 at the last step, {better} minus {worse}",
        partial(far_difference, better=better, worse=worse),
        above=0.0,
    )


def _return_above(better: str, worse: str, labels: str, average: bool = False) -> Claim:
    when = "mean over the steps" if average else "last step"
    return _claim(
        f"{better}_{'faster_than' if average else 'above'}_{worse}",
        f"{labels}: {'faster' if average else 'the higher return'}.",
        ("Figure 3b", "in words"),
        f"return from the start of the game, {when}, {better} minus {worse}, from 20M steps on",
        partial(return_difference, better=better, worse=worse, average=average),
        above=0.0,
    )


CLAIMS = (
    _claim(
        "pi_star_knows_far",
        "pi* is good in Room 7.",
        ("Section 4, Figure 6", "near 1"),
        "pi*'s success minus a random policy's in the same attempts",
        advantage_over_random,
        above=0.0,
    ),
    _claim(
        "vanilla_forgets_far",
        "Vanilla fine-tuning loses Room 7 before it gets there.",
        ("Figure 6", "falls"),
        "success at the last step (up to 20M) minus that at step 0; a loss is more than a tenth",
        partial(change_from_pi_star, method="vanilla"),
        below=-MARGIN,
    ),
    _claim(
        "vanilla_recovers_in_part",
        "Vanilla learns Room 7 again in part when it gets there.",
        ("Figure 6", "in part after 20M steps"),
        "success at the last step minus that at 20M steps, from 40M steps on",
        partial(recovery, method="vanilla"),
        above=0.0,
    ),
    _keeps(BC, "BC"),
    _keeps("ewc", "EWC"),
    _above_on_far(BC, "vanilla", "BC against vanilla", ("Figure 6", "near pi*'s against a fall")),
    _above_on_far("ewc", "vanilla", "EWC against vanilla", ("Figure 6", "near pi*'s against a fall")),
    _above_on_far(BC, KS, "BC against KS", ("Section 4", "KS fails under a state coverage gap")),
    _return_above(BC, "vanilla", "BC against vanilla"),
    _return_above(BC, "scratch", "BC against scratch"),
    _return_above(BC, "ewc", "BC against EWC"),
    _return_above("ewc", "scratch", "EWC against scratch"),
    _return_above("ewc", "vanilla", "EWC against vanilla", average=True),
)
