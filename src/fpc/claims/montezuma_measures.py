"""What the claims about Montezuma's Revenge measure: success in the room, returns, and rooms visited.

Success is that of attempts from start states in the Far room; changes are from pi*'s success from the same
start states. A random policy makes the same attempts. Returns are those of the games of the probe ``start``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from fpc.claims import measures
from fpc.claims.claim import ClaimContext, Measurement, NotTestable, Tables, TablesByExperiment
from fpc.claims.measures import Runs, at_least_steps, compare, far_probe, listed, one_sample, runs_of, table
from fpc.claims.unvisited import before_first_visit, difference_before_visits
from fpc.core.rounds import ROUND
from fpc.core.statistics import Array
from fpc.core.tables import PI_STAR

EXPERIMENT = "montezuma"
CLOSE, RANDOM, ROOM = "start", "random", "room_"
BC, KS = "behavioral_cloning", "kickstarting"
MARGIN = 0.1  # of the attempts: the paper's "give or take", so a loss is more than that
KNOWN = 2 * MARGIN  # pi*'s success above a random policy's, so that a loss does not end at random success
FIRST_KEY = 100.0  # points: the smallest gain in the game
EARLY, LATE = 20_000_000, 40_000_000  # environment steps: vanilla recovers after the first
PLATEAU = 50_000_000  # EWC's return is flat from here on
BEGINNING, HALF = 0.1, 0.5  # of a run's steps
HARDLY, AT_LEAST = 0.05, 0.1  # of the steps, of the games: "not visited early", visited later
LENGTH = "length"  # metric of training: a game's steps
END = 0.8  # a run's end are the milestones in the last fifth of its steps
Take = Callable[[Runs], Array]


def last(runs: Runs) -> Array:
    """Values at the last milestone, ``[seeds]``."""
    return runs.last


def ending(runs: Runs) -> Array:
    """Mean over the milestones in the last fifth of the steps, ``[seeds]``."""
    return _mean(runs.since(int(END * runs.steps[-1])))


def height(runs: Runs) -> Array:
    """Mean height of the curve, weighted by steps, ``[seeds]``."""
    return runs.average


def before_plateau(runs: Runs) -> Array:
    """Mean height of the curve up to ``PLATEAU``, ``[seeds]``."""
    return runs.until(PLATEAU).average


def early(runs: Runs) -> Array:
    """Values at the last milestone up to ``EARLY``, ``[seeds]``."""
    return runs.until(EARLY).last


def late(runs: Runs) -> Array:
    """Mean over the milestones from ``LATE`` on, ``[seeds]``.

    Raises:
        NotTestable: the runs end before.
    """
    at_least_steps(runs, LATE)
    return _mean(runs.since(LATE))


def after_early(runs: Runs) -> Array:
    """Mean over the milestones after ``EARLY``, ``[seeds]``.

    Raises:
        NotTestable: there is none.
    """
    at_least_steps(runs, EARLY + 1)
    return _mean(runs.since(EARLY + 1))


def early_and_ending(runs: Runs) -> Array:
    """Values at the last milestone up to ``EARLY``, and at the end, ``[seeds, 2]``."""
    return np.column_stack([early(runs), ending(runs)])


def _mean(runs: Runs) -> Array:
    return np.asarray(runs.values.mean(axis=1), dtype=np.float64)


def share_of_early_steps(tables: TablesByExperiment, context: ClaimContext, method: str) -> Measurement:
    """Share of the steps in the Far room, of the games that end in the first tenth of training.

    Raises:
        NotTestable: too few seeds finished a game by then.
    """
    share = _in_far(tables, context, method, (0.0, BEGINNING), "sum")
    return one_sample(share, f"seeds {listed(share)}")


def share_of_late_games(tables: TablesByExperiment, context: ClaimContext, method: str) -> Measurement:
    """Share of the games that visit the Far room, of those that end in the second half of training.

    Raises:
        NotTestable: too few seeds finished a game in it.
    """
    share = _in_far(tables, context, method, (HALF, 1.0), "size")
    return one_sample(share, f"seeds {listed(share)}", limits=(0.0, 1.0))


def _in_far(
    tables: TablesByExperiment,
    context: ClaimContext,
    method: str,
    part: tuple[float, float],
    what: str,
) -> Array:
    """Steps (``sum``) or games (``size``) in the Far room, of all in a part of training, ``[seeds]``."""
    found = tables[EXPERIMENT]
    rows = table(found, "training")
    rows = rows[rows["method"] == method]
    rows = rows[(rows["step"] / rows["step"].max()).between(*part, inclusive="right")]
    all_of, far = (
        rows[rows["metric"] == metric].groupby("seed")["value"].agg(what)
        for metric in (LENGTH, far_probe(found, ROOM))
    )
    if len(all_of) < context.minimum_seeds:
        raise NotTestable(
            f"{len(all_of)} seed(s) of {method} finished games then; {context.minimum_seeds} are asked for"
        )
    return np.asarray(far.reindex(all_of.index, fill_value=0.0) / all_of, dtype=np.float64)


def known_beyond_random(
    tables: TablesByExperiment, context: ClaimContext, experiment: str = EXPERIMENT
) -> Measurement:
    """pi*'s success minus a random policy's, for each start state in the room, or round of few of them.

    Raises:
        NotTestable: one of them was not measured from these start states.
    """
    found = tables[experiment]
    probes = (far_probe(found, ROOM), RANDOM)
    pi_star, random = (measures.pi_star_by_start(found, probe=probe) for probe in probes)
    starts = [_starts(found, probe) for probe in probes]
    if not np.array_equal(starts[0], starts[1]):
        raise NotTestable("a random policy was not measured from pi*'s start states")
    note = f"pi* {pi_star.first.mean():.2f}, random {random.first.mean():.2f}; {pi_star.note}"
    if pi_star.unit == ROUND:
        return replace(pi_star, second=random.first, note=note)
    return replace(pi_star, first=pi_star.first - random.first, note=note, limits=(-1.0, 1.0))


def _starts(tables: Tables, probe: str) -> Array:
    """Start states of pi*'s own measurement, sorted; ``RANDOM``: of the random policy's."""
    rows = table(tables, "episodes")
    found = rows.loc[(rows["method"] == PI_STAR) & (rows["probe"] == probe), "start"]
    return np.sort(found.unique())


def _check_known(tables: TablesByExperiment, context: ClaimContext, experiment: str = EXPERIMENT) -> None:
    """Reject claims about a room in which pi* is hardly better than a random policy."""
    known = known_beyond_random(tables, context, experiment)
    if (gain := known.effect) < KNOWN:
        raise NotTestable(
            f"pi* is {gain:.2f} above a random policy in the room ({known.note}); below {KNOWN:g} there is "
            "too little to forget"
        )


def in_room(
    tables: TablesByExperiment, context: ClaimContext, method: str, experiment: str = EXPERIMENT
) -> Runs:
    """Success in the Far room, if pi* knows it.

    Raises:
        NotTestable: pi* does not, or the curve does not begin with it.
    """
    _check_known(tables, context, experiment)
    found = tables[experiment]
    runs = runs_of(found, context, method, probe=far_probe(found, ROOM))
    if runs.steps[0] != 0:
        raise NotTestable(f"the first milestone is at {runs.steps[0]:,} steps; pi* is measured at 0")
    return runs


def unvisited(tables: TablesByExperiment, context: ClaimContext, method: str) -> Runs:
    """Success in the Far room at step 0 and before the first visit to it, if pi* knows it."""
    _check_known(tables, context)
    return before_first_visit(tables[EXPERIMENT], context, method, far_probe(tables[EXPERIMENT], ROOM))


def unvisited_difference(
    tables: TablesByExperiment, context: ClaimContext, better: str, worse: str
) -> Measurement:
    """Success of one method minus another's, in pairs of seeds, before either visits the room."""
    found = tables[EXPERIMENT]
    courses = {method: in_room(tables, context, method) for method in (better, worse)}
    return difference_before_visits(found, context, courses, far_probe(found, ROOM))


Success = Callable[[TablesByExperiment, ClaimContext, str], Runs]


def change(
    tables: TablesByExperiment, context: ClaimContext, method: str, take: Take, runs_in: Success = in_room
) -> Measurement:
    """Success minus pi*'s from the same start states."""
    ((_, found),) = tables.items()
    runs = runs_in(tables, context, method)
    pi_star = partial(measures.pi_star_by_start, found, probe=far_probe(found, ROOM))
    parts = np.atleast_2d(take(runs).T)
    note = f"seeds {'; then '.join(map(listed, parts))} from pi*'s {listed(runs.first)}"
    return measures.change(runs, pi_star, take, note)


def difference(
    tables: TablesByExperiment, context: ClaimContext, better: str, worse: str, take: Take
) -> Measurement:
    """Success of one method minus another's."""
    first, second = (in_room(tables, context, method) for method in (better, worse))
    note = f"{better} {listed(take(first))}, {worse} {listed(take(second))}"
    return compare(first, second, take, note)


def recovery(tables: TablesByExperiment, context: ClaimContext, method: str) -> Measurement:
    """Success late in training minus that at the last milestone up to ``EARLY``."""
    runs = in_room(tables, context, method)
    note = f"{listed(early(runs))} to {listed(late(runs))}"
    return one_sample(late(runs) - early(runs), note, measures.differences(runs))


def level(tables: TablesByExperiment, context: ClaimContext, method: str, take: Take) -> Measurement:
    """Success in the room."""
    runs = in_room(tables, context, method)
    return one_sample(take(runs), limits=runs.limits)


def returns(
    tables: TablesByExperiment, context: ClaimContext, method: str, experiment: str = EXPERIMENT
) -> Runs:
    """Return (points) of the games from the start."""
    return runs_of(tables[experiment], context, method, measure="return", probe=CLOSE)


def return_at_the_end(tables: TablesByExperiment, context: ClaimContext, method: str) -> Measurement:
    """Return at the end of training."""
    return one_sample(ending(returns(tables, context, method)))


def gain_from_the_start(tables: TablesByExperiment, context: ClaimContext) -> Measurement:
    """pi*'s return in each game from the start, minus that of the untrained policies of scratch at step 0.

    Raises:
        NotTestable: pi* knows nothing in the room either, or scratch was not measured at step 0.
    """
    _check_known(tables, context)
    found = tables[EXPERIMENT]
    pi_star = measures.pi_star_by_start(found, measure="return", probe=CLOSE)
    rows = table(found, "episodes")
    rows = rows[(rows["method"] == "scratch") & (rows["step"] == 0)]
    untrained = rows.loc[(rows["probe"] == CLOSE) & (rows["measure"] == "return"), "value"]
    if untrained.empty:
        raise NotTestable("scratch was not measured at step 0")
    note = f"pi* {pi_star.first.mean():.0f}, untrained {untrained.mean():.0f} points"
    return Measurement(pi_star.first, np.asarray(untrained, dtype=np.float64), note, unit="game")


def return_difference(
    tables: TablesByExperiment,
    context: ClaimContext,
    better: str,
    worse: str,
    take: Take = ending,
    steps: int = 0,
    variant: str = EXPERIMENT,
    baseline: str = EXPERIMENT,
) -> Measurement:
    """Return of one method (in ``variant``) minus another's (in ``baseline``), if one of them earns points.

    Raises:
        NotTestable: neither earns a key's worth of points, or the runs end before ``steps``.
    """
    first = returns(tables, context, better, variant)
    second = returns(tables, context, worse, baseline)
    at_least_steps(first, steps)
    if (best := max(float(ending(runs).mean()) for runs in (first, second))) < FIRST_KEY:
        raise NotTestable(f"neither earns {FIRST_KEY:g} points, a key, by the end (at most {best:.0f})")
    note = f"{better} {listed(take(first))}, {worse} {listed(take(second))}"
    return compare(first, second, take, note)


def rise_on_plateau(tables: TablesByExperiment, context: ClaimContext, method: str) -> Measurement:
    """Return in the second half of the milestones after ``PLATEAU`` minus the first's, as a share of all.

    Raises:
        NotTestable: there are fewer than four such milestones, or the method earns no points.
    """
    runs = returns(tables, context, method)
    at_least_steps(runs, PLATEAU)
    values = runs.since(PLATEAU).values
    if (count := values.shape[1]) < 4:
        raise NotTestable(f"{count} milestone(s) after {PLATEAU:,} steps; a plateau needs four")
    if (mean := float(values.mean())) < FIRST_KEY:
        raise NotTestable(f"{method} earns {mean:.0f} points; {FIRST_KEY:g}, a key, is the smallest gain")
    rise = values[:, -(count // 2) :].mean(axis=1) - values[:, : count // 2].mean(axis=1)
    return one_sample(rise / mean, f"mean {mean:.0f} points")


def farther(tables: TablesByExperiment, context: ClaimContext, better: str, worse: str) -> Measurement:
    """Mean number of the room, over the steps at the end of training, of one method minus another's.

    Raises:
        NotTestable: rooms or seeds are missing, or no game leaves the room in which games begin.
    """
    rooms = _rooms(tables[EXPERIMENT], (better, worse))
    if rooms["room"].nunique() < 2:
        raise NotTestable("no game leaves the first room")
    first, second = (_mean_room(rooms[rooms["method"] == method], context) for method in (better, worse))
    return Measurement(first, second, f"{better} {listed(first)}, {worse} {listed(second)}")


def _rooms(tables: Tables, methods: tuple[str, str]) -> pd.DataFrame:
    """Columns method, seed, room, steps: steps spent in each room by the games finished at the end."""
    rows = table(tables, "training")
    rows = rows[rows["method"].isin(methods)]
    numbers = {str(name): str(name).removeprefix(ROOM) for name in rows["metric"].unique()}
    numbers = {name: digits for name, digits in numbers.items() if name.startswith(ROOM) and digits.isdigit()}
    rows = rows[rows["metric"].isin(numbers) & (rows["step"] >= END * rows["step"].max())]
    rows = rows.assign(room=rows["metric"].astype(str).map(numbers).astype(int))
    steps: pd.Series = rows.groupby(["method", "seed", "room"], observed=True)["value"].sum()
    return steps.rename("steps").reset_index()


def _mean_room(rows: pd.DataFrame, context: ClaimContext) -> Array:
    """Each seed's mean room number, weighted by steps, ``[seeds]``."""
    totals = rows.assign(weighted=rows["room"] * rows["steps"]).groupby("seed")[["weighted", "steps"]].sum()
    if len(totals) < context.minimum_seeds:
        raise NotTestable(f"{len(totals)} seed(s) finished games; {context.minimum_seeds} are asked for")
    return np.asarray(totals["weighted"] / totals["steps"], dtype=np.float64)
