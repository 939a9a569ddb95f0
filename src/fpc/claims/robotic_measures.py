"""What claims about RoboticSequence measure: one number per seed from a method's course on a stage.

All thresholds were fixed before results were seen. Those of *shape* are shares of pi*'s own success or
differences from it: "lost" is below 0.3 of it, "kept" above 0.7, a "dip" deeper than 0.1.
Those of *levels* are the paper's numbers, give or take ``TOLERANCE``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Literal

import numpy as np

from fpc.claims.claim import Claim, ClaimContext, Kind, Measurement, NotTestable, Tables, TablesByExperiment
from fpc.claims.measures import Runs, compare, runs_of, table
from fpc.core.statistics import Array

DOMAIN = EXPERIMENT = "robotic_sequence"
SCRATCH, VANILLA, BC, EM, EWC, KS = (
    "scratch",
    "vanilla",
    "behavioral_cloning",
    "episodic_memory",
    "ewc",
    "kickstarting",
)
TUNED = (VANILLA, BC, EM, EWC)  # as in the paper, which has no kickstarting here
TRAINED = (SCRATCH, *TUNED)
SHORT = {BC: "BC", EM: "EM", EWC: "EWC", KS: "KS", VANILLA: "vanilla", SCRATCH: "scratch"}
LOST, KEPT = 0.3, 0.7  # shares of pi*'s success; nine seeds that are all alike suffice for either
LEARNED = 0.5
DIP = 0.1  # least depth; the paper's shallowest is EWC's on push-wall, from below .5 to .6 or more
KNOWN = 0.5  # pi*'s success on Far minus an untrained policy's, without which there is too little to forget
NO_BETTER = 0.1
# Half-widths of the paper's and of our 90 % interval, added, with 20 seeds and a standard deviation of 0.2
# between seeds: 2 * 1.73 * 0.2 / sqrt(20) for a method, 2 * 1.73 * 0.2 * sqrt(2 / 20) for a difference.
TOLERANCE, ALIKE = 0.15, 0.2
END = 0.1  # "at the end" is the last tenth of training, so that no single milestone decides
EARLY, MILLION, LONG = 100_000, 1_000_000, 4_000_000  # environment steps that the paper speaks of
PAPER_STAGES = {
    EXPERIMENT: ("hammer", "push", "peg-unplug-side", "push-wall"),
    f"{EXPERIMENT}_two_stages": ("drawer-open", "pick-place"),
}
Role = Literal["first_close", "last_close", "first_far", "last_far"]
ROLES: Mapping[Role, tuple[str, int]] = {
    "first_close": ("close", 0),
    "last_close": ("close", -1),
    "first_far": ("far", 0),
    "last_far": ("far", -1),
}
Measure = Callable[[TablesByExperiment, ClaimContext], Measurement]
Take = Callable[[Runs], Array]
Holds = Literal["all", "any"]


def robotic(
    name: str,
    statement: str,
    source: tuple[str, str],
    quantity: str,
    measure: Measure,
    *,
    above: float | None = None,
    below: float | None = None,
    experiments: tuple[str, ...] = (EXPERIMENT,),
    kind: Kind = "shape",
) -> Claim:
    """A claim about this domain; ``source``: where in the paper, and its value."""
    above, below = (None if bound is None else round(bound, 3) for bound in (above, below))
    stages = PAPER_STAGES.get(experiments[0])
    return Claim(
        f"robotic_{name}",
        DOMAIN,
        experiments,
        statement,
        *source,
        quantity,
        above,
        below,
        measure,
        stages,
        kind,
    )


def only(tables: TablesByExperiment) -> Tables:
    """The tables of a claim's only experiment."""
    ((_, found),) = tables.items()
    return found


def stages_of(tables: Tables) -> dict[str, list[str]]:
    """Group (close, far) -> its stages' probes, in the order of the sequence.

    Raises:
        NotTestable: there are no episodes.
    """
    episodes = table(tables, "episodes")
    first = episodes[episodes["step"] == episodes["step"].min()]
    found: dict[str, list[str]] = {"close": [], "far": []}
    for probe, group in first[["probe", "group"]].drop_duplicates().itertuples(index=False):
        if group in found:
            found[str(group)].append(str(probe))
    return {group: sorted(names, key=_position) for group, names in found.items()}


def _position(probe: str) -> tuple[int, str]:
    number, _, name = probe.partition("_")
    return (int(number), name) if number.isdigit() else (-1, probe)


def stage(tables: Tables, role: Role) -> str:
    """The probe of the stage with this role in the sequence.

    Raises:
        NotTestable: there is none, or "first" is asked for and the only one is the last too.
    """
    group, index = ROLES[role]
    names = stages_of(tables)[group]
    if not names:
        raise NotTestable(f"the sequence has no {group} stage")
    if index == 0 and len(names) == 1:
        raise NotTestable(f"the sequence has one {group} stage, {names[0]}; see the claim about the last")
    return names[index]


def course(tables: Tables, context: ClaimContext, method: str, where: str) -> Runs:
    """Success of a method on ``where``: a role, a probe, or ``far``, ``close`` (their means) or ``whole``.

    Raises:
        NotTestable: as ``runs_of`` and ``stage``.
    """
    if where in ROLES:
        where = stage(tables, where)  # type: ignore[arg-type]
    if where in ("far", "close"):
        return runs_of(tables, context, method, group=where)
    return runs_of(tables, context, method, probe=where)


def at_the_end(runs: Runs) -> Array:
    """Mean over the last tenth of training, ``[seeds]``."""
    late = runs.since(int(np.ceil((1.0 - END) * runs.steps[-1])))
    return np.asarray(late.values.mean(axis=1), dtype=np.float64)


def always(runs: Runs) -> Array:
    """Values at each milestone after step 0, ``[seeds, milestones]``: a claim speaks of all, or of any."""
    return runs.values[:, runs.steps > 0]


def dip(runs: Runs) -> Array:
    """How far values are below both their start and their end, at each milestone: lost, then learned again.

    ``[seeds, milestones]``.
    """
    height = np.minimum(runs.first, at_the_end(runs))
    return np.asarray(height[:, None] - always(runs), dtype=np.float64)


def average(runs: Runs) -> Array:
    """Mean height over training, ``[seeds]``."""
    return runs.average


def knows(tables: Tables, context: ClaimContext, runs: Runs, where: str) -> None:
    """Reject a claim about keeping or forgetting what pi* does no better than an untrained policy.

    Raises:
        NotTestable: pi*'s mean exceeds that of scratch at step 0 (of nothing, where scratch is not trained)
            by less than ``KNOWN``.
    """
    start, untrained = float(runs.first.mean()), 0.0
    if SCRATCH in table(tables, "episodes")["method"].unique():
        untrained = float(course(tables, context, SCRATCH, where).first.mean())
    if start - untrained < KNOWN:
        raise NotTestable(
            f"pi* starts at {start:.2f} on {where}, an untrained policy at {untrained:.2f}: "
            "too little to forget"
        )


def retained(
    tables: TablesByExperiment,
    context: ClaimContext,
    method: str,
    where: str,
    take: Take = always,
    holds: Holds = "all",
) -> Measurement:
    """Success of a method on Far, as a share of pi*'s."""
    found = only(tables)
    runs = course(found, context, method, where)
    knows(found, context, runs, where)
    pi_star, note = float(runs.first.mean()), f"up to {runs.steps[-1]:,} steps"
    return Measurement(take(runs) / pi_star, note=note, holds=holds, limits=(0.0, 1.0 / pi_star))


def dips(tables: TablesByExperiment, context: ClaimContext, method: str, where: str) -> Measurement:
    """``dip`` of a method on Far, at any milestone."""
    found = only(tables)
    runs = course(found, context, method, where)
    knows(found, context, runs, where)
    note = f"ends at {runs.steps[-1]:,} steps"
    return Measurement(dip(runs), note=note, holds="any", limits=(-1.0, 1.0))


def _height(values: Array) -> float:
    """Mean over seeds; of milestones, the lowest."""
    return float(np.min(values.mean(axis=0)))


def extreme(
    tables: Tables,
    context: ClaimContext,
    methods: Iterable[str],
    where: str,
    take: Take,
    choose: Callable[..., str] = min,
) -> tuple[str, Runs]:
    """The method with the lowest (``choose=max``: highest) mean over seeds of what ``take`` chooses."""
    found = {method: course(tables, context, method, where) for method in methods}
    name = choose(found, key=lambda method: _height(take(found[method])))
    return name, found[name]


def difference(
    tables: TablesByExperiment,
    context: ClaimContext,
    better: str,
    worse: str | tuple[str, ...],
    where: str = "whole",
    take: Take = at_the_end,
) -> Measurement:
    """A method minus another with the same budget, or minus the best of several."""
    found = only(tables)
    first = course(found, context, better, where)
    others = (worse,) if isinstance(worse, str) else worse
    name, second = extreme(found, context, others, where, take, max)
    note = f"{SHORT[better]} minus {SHORT[name]}, {first.steps[-1]:,} steps"
    return compare(first, second, take, note)


def alike(
    tables: TablesByExperiment, context: ClaimContext, first: str, second: str, where: str = "whole"
) -> Measurement:
    """``difference`` at the end, if one of the two has learned: that both can do nothing says nothing."""
    found = only(tables)
    name, runs = extreme(found, context, (first, second), where, at_the_end, max)
    if (best := float(at_the_end(runs).mean())) < LEARNED:
        raise NotTestable(f"neither learned: {SHORT[name]} ends at {best:.2f} on {where}")
    return difference(tables, context, first, second, where)


def keeps(method: str, where: str, take: Take = always, holds: Holds = "all") -> Measure:
    """``retained``, as the measure of a claim."""
    return partial(retained, method=method, where=where, take=take, holds=holds)
