"""Claims about AppleRetrieval; Far is phase 2, on which pi* was trained.

The rules were fixed before the runs they judge. Forgetting is the drop of the probability of the right
direction in phase 2, which is exact; nothing can be forgotten where pi* does not bring the apple home.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from fpc.claims.claim import Claim, ClaimContext, Measurement, NotTestable, TablesByExperiment
from fpc.claims.measures import Runs, one_sample, runs_of, same_budget, table
from fpc.claims.scores import Benchmark, average
from fpc.claims.trends import rank_correlation
from fpc.core.statistics import Array

EXPERIMENT = "apple_retrieval"
CONDITION = re.compile(r"M=(\d+),c=([\d.]+)")
DISTANCE = 30  # M in the paper's comparison of values of c
EARLY = 0.2  # share of training in which phase 2 is first reached, as in Figure 10
LEARNED = 0.1  # rate below which ties at 0 would be compared
LOST = 0.1  # drop of a probability
KNOWN = 0.9  # pi*'s success on Far, below which there is too little to forget
SOLVED = 0.5  # success on the whole task
REACHED = "reached_phase_2"  # metric of the training table: share of episodes

Quantity = Callable[[TablesByExperiment, ClaimContext, str], Array]


def _conditions(tables: TablesByExperiment) -> list[tuple[str, float, float]]:
    """(name, M, c) for each condition."""
    names = table(tables[EXPERIMENT], "episodes")["condition"].unique()
    found = [(name, CONDITION.fullmatch(name)) for name in sorted(map(str, names))]
    return [(name, float(match[1]), float(match[2])) for name, match in found if match]


def _by_distance(tables: TablesByExperiment) -> dict[float, str]:
    """M -> condition, among the conditions with the most frequent c."""
    conditions = _conditions(tables)
    if not conditions:
        raise NotTestable("no condition is named M=...,c=...")
    signals = [signal for _, _, signal in conditions]
    common = max(sorted(set(signals)), key=signals.count)
    return {distance: name for name, distance, signal in conditions if signal == common}


def _by_signal(tables: TablesByExperiment) -> dict[float, str]:
    """c -> condition, at M = 30."""
    chosen = {signal: name for name, distance, signal in _conditions(tables) if distance == DISTANCE}
    if not chosen:
        raise NotTestable(f"no condition has M = {DISTANCE}")
    return chosen


def _drops(tables: TablesByExperiment, context: ClaimContext, condition: str) -> Array:
    """Largest drop of each seed's probability of the right direction in phase 2, as in Figure 10."""
    skill = _skill(tables, context, condition, "vanilla")
    return np.asarray(skill.first - skill.lowest, dtype=np.float64)


def _skill(tables: TablesByExperiment, context: ClaimContext, condition: str, method: str) -> Runs:
    """Probability of the right direction in phase 2, if the method starts from a pi* that knows it."""
    found = tables[EXPERIMENT]
    start = float(runs_of(found, context, method, probe="phase_2", condition=condition).first.mean())
    if start < KNOWN:
        raise NotTestable(f"pi* starts at {start:.2f} on Far; below {KNOWN:g} there is too little to forget")
    return runs_of(
        found, context, method, measure="correct_probability", probe="phase_2", condition=condition
    )


def whole(tables: TablesByExperiment, context: ClaimContext, method: str) -> Runs:
    """Success on the whole task, averaged over M.

    Raises:
        NotTestable: values of M differ in their seeds or steps.
    """
    found = [
        runs_of(tables[EXPERIMENT], context, method, probe="whole", condition=name)
        for name in _by_distance(tables).values()
    ]
    first = found[0]
    for other in found:
        same_budget(first, other)
        if other.seeds != first.seeds:
            raise NotTestable("values of M differ in their number of seeds")
    return replace(first, values=np.mean([runs.values for runs in found], axis=0))


def far_kept(tables: TablesByExperiment, context: ClaimContext, method: str) -> Measurement:
    """Each seed's lowest probability of the right direction in phase 2 as a share of pi*'s, mean over M."""
    found = [_skill(tables, context, name, method) for name in _by_distance(tables).values()]
    if len({runs.seeds for runs in found}) > 1:
        raise NotTestable("values of M differ in their number of seeds")
    return one_sample(np.mean([runs.lowest / runs.first for runs in found], axis=0))


def _successes(tables: TablesByExperiment, context: ClaimContext, condition: str) -> Array:
    """Each seed's success on the whole task, averaged over training."""
    return runs_of(tables[EXPERIMENT], context, "vanilla", probe="whole", condition=condition).average


def _reached(tables: TablesByExperiment, context: ClaimContext, condition: str) -> Array:
    """Each seed's share of episodes that reach phase 2 in the first fifth of training."""
    rows = table(tables[EXPERIMENT], "training")
    rows = rows[(rows["method"] == "vanilla") & (rows["metric"] == REACHED)]
    early = rows[(rows["condition"] == condition) & (rows["step"] <= EARLY * rows["step"].max())]
    shares = early.groupby("seed", observed=True)["value"].mean()
    if len(shares) < context.minimum_seeds:
        raise NotTestable(f"vanilla has {len(shares)} seed(s); {context.minimum_seeds} are asked for")
    return np.asarray(shares, dtype=np.float64)


def _over_distance(tables: TablesByExperiment, context: ClaimContext, quantity: Quantity) -> Measurement:
    """Correlation of a quantity with M."""
    return rank_correlation(
        {key: quantity(tables, context, name) for key, name in _by_distance(tables).items()}
    )


def _rate_over_distance(tables: TablesByExperiment, context: ClaimContext, quantity: Quantity) -> Measurement:
    """Correlation of a rate with M, where it is not 0 for every M."""
    groups = {key: quantity(tables, context, name) for key, name in _by_distance(tables).items()}
    if (best := max(float(values.mean()) for values in groups.values())) < LEARNED:
        raise NotTestable(f"no M reaches {LEARNED:g} (the best has {best:.3f}): all are about 0")
    return rank_correlation(groups)


def forgetting(tables: TablesByExperiment, context: ClaimContext) -> Measurement:
    """Each seed's largest drop in phase 2, averaged over M."""
    drops = [_drops(tables, context, name) for name in _by_distance(tables).values()]
    if len({len(values) for values in drops}) > 1:
        raise NotTestable("values of M differ in their number of seeds")
    return one_sample(np.mean(drops, axis=0))


def forgetting_over_signal(tables: TablesByExperiment, context: ClaimContext) -> Measurement:
    """Correlation of forgetting with c, at M = 30."""
    return rank_correlation({key: _drops(tables, context, name) for key, name in _by_signal(tables).items()})


def tuned(tables: TablesByExperiment, context: ClaimContext) -> Measurement:
    """Never testable: an option was chosen so that the claim holds."""
    raise NotTestable(
        "the range of the initial w and b is not published; ours was chosen from two values so that "
        "|b|/|w| falls with c, so that it does is no evidence (see the deviations)"
    )


def _claim(
    name: str,
    statement: str,
    source: tuple[str, str],
    quantity: str,
    measure: Callable[[TablesByExperiment, ClaimContext], Measurement],
    above: float | None = None,
    below: float | None = None,
) -> Claim:
    domain = (EXPERIMENT, (EXPERIMENT,))
    return Claim(f"apple_{name}", *domain, statement, *source, quantity, above, below, measure)


BENCHMARK = Benchmark(
    EXPERIMENT,
    score="success on the whole task, mean over training and over M",
    course=whole,
    take=average,
    kept="lowest P(left) in phase 2 as a share of pi*'s, mean over M; success on Far needs M such steps",
    far_kept=far_kept,
    solved=f"success on the whole task, mean over M, is {SOLVED:g} or more; steps are episodes",
    threshold=SOLVED,
)
CLAIMS = (
    _claim(
        "vanilla_forgets",
        "While vanilla fine-tuning learns phase 1, it loses phase 2, which pi* knew.",
        ("Section 1, Figure 10", "forgetting above 0"),
        "vanilla's worst drop of P(left) in phase 2, mean over M",
        forgetting,
        above=LOST,
    ),
    _claim(
        "larger_distance_more_forgetting",
        "The longer phase 1 (larger M), the more of phase 2 is forgotten.",
        ("Figure 10", "forgetting grows with M"),
        "each seed's rank correlation of M with vanilla's worst drop of P(left) in phase 2",
        partial(_over_distance, quantity=_drops),
        above=0.0,
    ),
    _claim(
        "larger_distance_less_success",
        "The longer phase 1, the less often the whole task is solved.",
        ("Figure 10", "success falls with M"),
        "each seed's rank correlation of M with vanilla's success, mean over training",
        partial(_rate_over_distance, quantity=_successes),
        below=0.0,
    ),
    _claim(
        "larger_distance_later_reach",
        "The longer phase 1, the less of phase 2 is reached early in training.",
        ("Figure 10", "early reach falls with M"),
        "each seed's rank correlation of M with the share of vanilla's episodes that reach phase 2 in the "
        "first fifth of training",
        partial(_rate_over_distance, quantity=_reached),
        below=0.0,
    ),
    _claim(
        "smaller_signal_larger_ratio",
        "The smaller c, the larger |b|/|w| of pi*: the phases share more of the policy.",
        ("Figure 11", "ratio falls with c"),
        "each seed's rank correlation of c with |b|/|w| before fine-tuning, M = 30 "
        "(initial_range was chosen among two so that the ratio falls)",
        tuned,
        below=0.0,
    ),
    _claim(
        "smaller_signal_more_forgetting",
        "The smaller c, the more of phase 2 is forgotten.",
        ("Figure 11", "forgetting falls with c"),
        "each seed's rank correlation of c with vanilla's worst drop of P(left) in phase 2, M = 30",
        forgetting_over_signal,
        below=0.0,
    ),
)
