"""Reduce tables to one number per seed: the building blocks of a claim's measurement."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fpc.claims.claim import ClaimContext, Measurement, NotTestable, Tables
from fpc.core.numbers import number
from fpc.core.rounds import ROUND, are_few, with_rounds
from fpc.core.statistics import Array, area_under_curve
from fpc.core.tables import NO_START, PI_STAR

RATES = frozenset({"success", "correct_probability"})  # measures between 0 and 1
RATE = (0.0, 1.0)  # the limits of a rate
BLOCKS = 20


@dataclass(frozen=True)
class Runs:
    """A measure of all seeds of one method; ``values`` is ``[seeds, steps]``."""

    steps: NDArray[np.int64]
    values: Array
    seeds: tuple[int, ...] = ()
    own_starts: bool = False  # each seed has start states of its own, so that seeds are compared in pairs
    limits: tuple[float, float] | None = None  # of a value, where it has any

    @property
    def first(self) -> Array:
        """Values before the first update, which are pi*'s on the same start states, ``[seeds]``."""
        return self.values[:, 0]

    @property
    def last(self) -> Array:
        """Values at the last step, ``[seeds]``."""
        return self.values[:, -1]

    @property
    def lowest(self) -> Array:
        """Lowest values after the first step, ``[seeds]``."""
        return np.asarray(self.values[:, 1:].min(axis=1), dtype=np.float64)

    @property
    def average(self) -> Array:
        """Area under the curve over the range of steps: the mean height, ``[seeds]``."""
        return area_under_curve(self.steps, self.values)

    def at(self, step: int) -> Array:
        """Values at the first milestone at or after ``step``, ``[seeds]``.

        Raises:
            NotTestable: the runs end before.
        """
        at_least_steps(self, step)
        return np.asarray(self.values[:, int(np.argmax(self.steps >= step))], dtype=np.float64)

    def of(self, seeds: Sequence[int]) -> Runs:
        """These seeds, in this order."""
        rows = [self.seeds.index(seed) for seed in seeds]
        return replace(self, values=self.values[rows], seeds=tuple(seeds))

    def until(self, step: int) -> Runs:
        """The milestones up to ``step``."""
        kept = self.steps <= step
        return replace(self, steps=self.steps[kept], values=self.values[:, kept])

    def since(self, step: int) -> Runs:
        """The milestones from ``step`` on."""
        kept = self.steps >= step
        return replace(self, steps=self.steps[kept], values=self.values[:, kept])


def table(tables: Tables, name: str) -> pd.DataFrame:
    """Look up a table.

    Raises:
        NotTestable: it is missing or empty.
    """
    found = tables.get(name)
    if found is None or found.empty:
        raise NotTestable(f"the table {name} is missing")
    return found


def far_probe(tables: Tables, prefix: str) -> str:
    """Name of the only Far probe that begins with ``prefix``.

    Raises:
        NotTestable: there is none, or more than one.
    """
    episodes = table(tables, "episodes")
    names = episodes.loc[episodes["group"] == "far", "probe"].unique()
    found = sorted(str(name) for name in names if str(name).startswith(prefix))
    if len(found) != 1:
        raise NotTestable(f"Far is one probe {prefix}<k>; found {', '.join(found) or 'none'}")
    return found[0]


def runs_of(
    tables: Tables,
    context: ClaimContext,
    method: str,
    *,
    measure: str = "success",
    group: str | None = None,
    probe: str | None = None,
    condition: str | None = None,
) -> Runs:
    """A measure over steps, averaged over episodes and then over the probes of a group.

    Raises:
        NotTestable: there are no such rows, or fewer than ``context.minimum_seeds`` seeds.
    """
    rows = _rows(tables, method, measure, group=group, probe=probe, condition=condition)
    by_probe = rows.groupby(["seed", "step", "probe"], observed=True)["value"].mean()
    means = by_probe.groupby(["seed", "step"]).mean().reset_index()
    limits = RATE if measure in RATES else None
    return pivoted(means, context, method, own_starts=_own_starts(rows), limits=limits)


def pi_star_by_start(
    tables: Tables,
    *,
    measure: str = "success",
    group: str | None = None,
    probe: str | None = None,
    condition: str | None = None,
) -> Measurement:
    """pi*'s own measurement: its mean per start state, or per game where games have no start state.

    Fewer than ``FEWEST_STARTS`` start states are taken as they are, not as a sample of others: the unit is
    then a round, which is the mean of one episode from each of them.

    Raises:
        NotTestable: pi* was not measured by itself.
    """
    rows = _rows(tables, PI_STAR, measure, group=group, probe=probe, condition=condition)
    limits = RATE if measure in RATES else None
    note = f"{len(rows):,} episodes"
    unit, name = "episode", "game"
    if "start" in rows and bool((rows["start"] != NO_START).all()):
        unit, name = "start", "start state"
        if are_few(rows).any():
            starts = rows["start"].nunique()
            rows, unit, name = with_rounds(rows), ROUND, ROUND
            note += f" from {starts} start state{'' if starts == 1 else 's'}"
    by_unit = rows.groupby(["seed", "probe", unit], observed=True)["value"].mean()
    return Measurement(by_unit.to_numpy(dtype=np.float64), unit=name, note=note, limits=limits)


def _rows(tables: Tables, method: str, measure: str, **wanted: str | None) -> pd.DataFrame:
    """Rows of ``episodes`` of a method and measure, where columns have the wanted values."""
    rows = table(tables, "episodes")
    rows = rows[(rows["method"] == method) & (rows["measure"] == measure)]
    given = {column: value for column, value in wanted.items() if value is not None}
    for column, value in given.items():
        rows = rows[rows[column] == value]
    if rows.empty:
        where = ", ".join(given.values())
        raise NotTestable(f"no {measure} of {method}{f' ({where})' if where else ''}")
    return rows


def _own_starts(rows: pd.DataFrame) -> bool:
    """Whether seeds were measured on start states of different index."""
    if "start" not in rows or bool((rows["start"] == NO_START).all()):
        return False
    measured = rows[rows["step"] == rows["step"].max()]
    by_seed = measured.groupby("seed", observed=True)["start"].agg(lambda starts: tuple(sorted(set(starts))))
    return int(by_seed.nunique()) > 1


def at_least_steps(runs: Runs, steps: int) -> None:
    """Reject runs that are too short for the claim.

    Raises:
        NotTestable: the runs end before ``steps``.
    """
    if runs.steps[-1] < steps:
        raise NotTestable(f"runs end at {runs.steps[-1]:,} steps; the claim speaks of {steps:,}")


def same_budget(first: Runs, second: Runs) -> None:
    """Reject a comparison of runs with different steps.

    Raises:
        NotTestable: their steps differ.
    """
    if not np.array_equal(first.steps, second.steps):
        raise NotTestable(
            f"budgets or milestones differ ({first.steps[-1]:,} and {second.steps[-1]:,} steps)"
        )


def one_sample(values: Array, note: str = "", limits: tuple[float, float] | None = None) -> Measurement:
    """One value per seed; ``limits`` are the smallest and largest possible one."""
    return Measurement(values, note=note, limits=limits)


def reference(values: Array) -> Array:
    """One policy's values as a sample to compare seeds with: means of ``BLOCKS`` blocks, if there are many.

    Single games are skewed, or won or lost; means of blocks are not, and have the same error of their mean.
    """
    if len(values) < 5 * BLOCKS:
        return values
    return np.array([block.mean() for block in np.array_split(values, BLOCKS)], dtype=np.float64)


def change(
    runs: Runs,
    pi_star: Callable[[], Measurement],
    take: Callable[[Runs], Array] = lambda runs: runs.last,
    note: str = "",
) -> Measurement:
    """What ``take`` chooses, by default the value at the last step, minus pi*'s on the same start states.

    ``take`` may choose several columns, ``[seeds, columns]``: then the claim speaks of all of them.

    Where all seeds share pi*'s start states they share its sampling error too, which only pi*'s own
    measurement (``pi_star_by_start``) shows; where each has its own, the seeds' differences contain it.
    """
    taken = take(runs)
    if runs.own_starts:
        first = runs.first if taken.ndim == 1 else runs.first[:, None]
        return Measurement(taken - first, note=note, limits=differences(runs))
    return Measurement(taken, reference(pi_star().first), note, limits=runs.limits, reference=True)


def differences(runs: Runs) -> tuple[float, float] | None:
    """Smallest and largest possible difference of two values."""
    if runs.limits is None:
        return None
    low, high = runs.limits
    return low - high, high - low


def compare(
    first: Runs, second: Runs, take: Callable[[Runs], Array] = lambda runs: runs.last, note: str = ""
) -> Measurement:
    """Difference of two methods with the same budget in what ``take`` chooses, by default the last step.

    Seeds are compared in pairs where each has start states of its own, as these explain much of the
    variance; otherwise the two samples are independent.

    Raises:
        NotTestable: budgets differ, or seeds that should be paired.
    """
    same_budget(first, second)
    if not (first.own_starts and second.own_starts):
        return Measurement(take(first), take(second), note, limits=first.limits)
    shared = shared_seeds([first, second])
    if len(shared) < min(len(first.seeds), len(second.seeds)):
        raise NotTestable("the two methods' seeds differ, and each seed has start states of its own")
    one, two = (take(runs.of(shared)) for runs in (first, second))
    said = "paired by seed, as seeds have start states of their own"
    return Measurement(
        one - two, note="; ".join(part for part in (note, said) if part), limits=differences(first)
    )


def by_seed(methods: Mapping[str, Runs], context: ClaimContext) -> list[Runs]:
    """Methods with the same budget, with the seeds that all have, in the same order.

    Raises:
        NotTestable: budgets differ, or fewer than ``context.minimum_seeds`` seeds are shared.
    """
    first, *others = methods.values()
    for other in others:
        same_budget(first, other)
    shared = shared_seeds(methods.values())
    if len(shared) < context.minimum_seeds:
        raise NotTestable(
            f"{', '.join(methods)} share {len(shared)} seed(s); {context.minimum_seeds} are asked for"
        )
    return [runs.of(shared) for runs in methods.values()]


def shared_seeds(runs: Iterable[Runs]) -> list[int]:
    """Seeds that all have, sorted."""
    return sorted(set.intersection(*(set(one.seeds) for one in runs)))


def listed(values: Array) -> str:
    """Every seed's number, as text."""
    return ", ".join(number(value).replace(",", "") for value in values)


def pivoted(
    rows: pd.DataFrame,
    context: ClaimContext,
    method: str,
    own_starts: bool = False,
    limits: tuple[float, float] | None = None,
) -> Runs:
    """Rows ``seed, step, value`` as runs; steps that a seed lacks are left out.

    Raises:
        NotTestable: there are fewer than ``context.minimum_seeds`` seeds, or fewer than two steps.
    """
    wide = rows.pivot_table(index="seed", columns="step", values="value").dropna(axis=1)
    if len(wide) < context.minimum_seeds:
        raise NotTestable(f"{method} has {len(wide)} seed(s); {context.minimum_seeds} are asked for")
    if wide.shape[1] < 2:
        raise NotTestable(f"{method} has fewer than two steps that all its seeds share")
    steps, values = wide.columns.to_numpy(dtype=np.int64), wide.to_numpy(dtype=np.float64)
    return Runs(steps, values, tuple(int(seed) for seed in wide.index), own_starts, limits)
