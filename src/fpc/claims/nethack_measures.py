"""Measures of NetHack's claims: final games, start states on Far, columns of Table 4, games of pi*.

``vanilla`` stands for every method that starts from pi*: step 0 is the same measurement of pi* in all of
them. Changes are shares of pi*'s mean, as scores depend on the scale.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from fpc.claims.claim import ClaimContext, Measurement, NotTestable, TablesByExperiment
from fpc.claims.measures import (
    RATE,
    Runs,
    by_seed,
    change,
    compare,
    far_probe,
    listed,
    one_sample,
    pi_star_by_start,
    reference,
    runs_of,
    table,
)
from fpc.claims.trends import rank_correlation
from fpc.core.numbers import number
from fpc.core.statistics import Array

EXPERIMENT = "nethack"
SCRATCH, REFERENCE = "scratch", "vanilla"
# What a claim reads: a probe, and a measure of its games. LEVEL is the only Far level probed, level_<k>.
Probe = tuple[str, str]
LEVEL, PAPER_LEVEL = "level_", 4
SCORE, DEPTH = ("final", "score"), ("final", "depth")
CLOSE, FAR, DRIFT = ("level_1", "return"), (LEVEL, "return"), (LEVEL, "kl_divergence")
SOKOBAN = ("sokoban", "pits_filled")

HEADROOM = 0.2  # of pi*'s mean: scratch must end this far below pi* for a comparison to say anything
LEARNED = 0.05  # of pi*'s mean: a scratch that gained less has not learned
LEAST = {SOKOBAN: 0.1}  # pits that pi* must fill: a chance success or two are no skill
UNTRAINED = 0.5  # of pi*'s mean: an untrained policy must be below this for pi* to know something
FEWEST_GAMES = 50  # of pi*, for its mean score and shares of its games


def runs(tables: TablesByExperiment, context: ClaimContext, method: str, probe: Probe) -> Runs:
    """A probe's measure over the milestones of a method."""
    return runs_of(tables[EXPERIMENT], context, method, measure=probe[1], probe=_name(tables, probe))


def _name(tables: TablesByExperiment, probe: Probe) -> str:
    return far_probe(tables[EXPERIMENT], LEVEL) if probe[0] == LEVEL else probe[0]


def _other_level(tables: TablesByExperiment, probe: Probe) -> str:
    """A note if Far is not the paper's level."""
    name = _name(tables, probe)
    if probe[0] != LEVEL or name == f"{LEVEL}{PAPER_LEVEL}":
        return ""
    return f"; Far is level {name.removeprefix(LEVEL)} (the paper: {PAPER_LEVEL})"


def known(tables: TablesByExperiment, context: ClaimContext, probe: Probe) -> float:
    """pi*'s mean.

    Raises:
        NotTestable: it was not measured, or an untrained policy comes too near it for pi* to know anything.
    """
    start, untrained = (runs(tables, context, method, probe) for method in (REFERENCE, SCRATCH))
    if start.steps[0] != 0 or untrained.steps[0] != 0:
        raise NotTestable(f"the first milestone is at {start.steps[0]:,} steps; pi* is measured at 0")
    level, chance = float(start.first.mean()), float(untrained.first.mean())
    if level <= 0.0 or level < LEAST.get(probe, 0.0) or chance > UNTRAINED * level:
        raise NotTestable(
            f"pi* is at {number(level)} ({' '.join(probe)}), an untrained policy at {number(chance)}: "
            "there is too little to forget"
        )
    return level


def learned(tables: TablesByExperiment, context: ClaimContext) -> None:
    """Reject comparisons with a scratch that learned nothing: anything is then about as good, or far better.

    Raises:
        NotTestable: scratch's score rose by less than ``LEARNED`` of pi*'s.
    """
    _gained(runs(tables, context, SCRATCH, SCORE), known(tables, context, SCORE), SCRATCH)


def _gained(found: Runs, level: float, method: str) -> None:
    if (gain := float((found.last - found.first).mean())) < LEARNED * level:
        raise NotTestable(
            f"{method} gained {number(gain)} in training, pi* scores {number(level)}: it learned nothing"
        )


def change_from_pi_star(
    tables: TablesByExperiment, context: ClaimContext, method: str, probe: Probe
) -> Measurement:
    """A method's last value minus pi*'s on the same start states, as a share of pi*'s mean.

    Raises:
        NotTestable: pi* knows too little, or the method is scratch and learned nothing.
    """
    level, ours = known(tables, context, probe), runs(tables, context, method, probe)
    if method == SCRATCH:
        learned(tables, context)
        found = _minus_pi_star(tables, ours, -1, runs(tables, context, REFERENCE, probe), probe)
    else:
        found = change(ours, partial(pi_star_in, tables, probe))
    return shares(found, level, f"at {ours.steps[-1]:,} steps{_other_level(tables, probe)}")


def plain_change(tables: TablesByExperiment, context: ClaimContext, method: str, probe: Probe) -> Measurement:
    """A method's last value minus pi*'s, in the measure's own unit."""
    ours = runs(tables, context, method, probe)
    note = f"ends {listed(ours.last)}, pi* {number(ours.first.mean())}"
    return change(ours, partial(pi_star_in, tables, probe), note=note)


def shares(found: Measurement, level: float, note: str) -> Measurement:
    """A measurement as a share of pi*'s mean."""
    second = None if found.second is None else found.second / level
    seeds = f"seeds {listed(found.first / level)} " if found.first.ndim == 1 else ""
    words = [f"{seeds}of pi*'s {number(level)}", note, found.note]
    return replace(found, first=found.first / level, second=second, note="; ".join(filter(None, words)))


def difference(
    tables: TablesByExperiment, context: ClaimContext, better: str, worse: str, probe: Probe
) -> Measurement:
    """A measure of one method minus another's, at the last step of the same budget."""
    first, second = (runs(tables, context, method, probe) for method in (better, worse))
    note = f"{better} {listed(first.last)}, {worse} {listed(second.last)} at {first.steps[-1]:,} steps"
    return compare(first, second, note=note)


def above_untrained(tables: TablesByExperiment, context: ClaimContext) -> Measurement:
    """What pi* gains on Far minus what an untrained policy gains, as a share of pi*'s."""
    start, untrained = (runs(tables, context, method, FAR) for method in (REFERENCE, SCRATCH))
    if start.steps[0] != 0 or (level := float(start.first.mean())) <= 0.0:
        raise NotTestable("pi* gains no score on Far, or was not measured there")
    found = _minus_pi_star(tables, untrained, 0, start, FAR)
    second = None if found.second is None else -found.second
    return shares(
        replace(found, first=-found.first, second=second),
        level,
        f"before fine-tuning{_other_level(tables, FAR)}",
    )


def drift(tables: TablesByExperiment, context: ClaimContext, method: str) -> Measurement:
    """KL(pi* || pi_theta) on the expert's Far steps at the last step, nats."""
    found = runs(tables, context, method, DRIFT)
    return one_sample(found.last, f"seeds {listed(found.last)} at {found.steps[-1]:,} steps")


def no_better_than_scratch(tables: TablesByExperiment, context: ClaimContext) -> Measurement:
    """Final score of vanilla minus scratch's as a share of pi*'s, where both could have ended elsewhere.

    Raises:
        NotTestable: scratch learned nothing, or pi*'s own level is about scratch's.
    """
    learned(tables, context)
    level, scratch = known(tables, context, SCORE), runs(tables, context, SCRATCH, SCORE)
    if level - (ours := float(scratch.last.mean())) < HEADROOM * level:
        raise NotTestable(
            f"scratch ends at {ours:.0f}, pi* starts at {level:.0f}: a vanilla that keeps all of pi* "
            "would also be near scratch"
        )
    return shares(difference(tables, context, REFERENCE, SCRATCH, SCORE), level, "")


def best_from_scratch(
    tables: TablesByExperiment, context: ClaimContext, methods: Sequence[str]
) -> Measurement:
    """The best final score of methods that do not start from pi*, by seed, as a share of pi*'s own.

    Raises:
        NotTestable: one of them learned nothing.
    """
    level = float(_pi_star_games(tables, SCORE[1]).mean())
    for method in methods:
        _gained(runs(tables, context, method, SCORE), level, method)
    found = _at_the_end(tables, context, methods, SCORE)
    means = ", ".join(f"{method} {number(values.mean())}" for method, values in found.items())
    return shares(one_sample(np.max([*found.values()], axis=0), means), level, "")


def most_pits(tables: TablesByExperiment, context: ClaimContext, relative: bool) -> Measurement:
    """Pits that the better one of vanilla and scratch fills in Sokoban, by seed; or as a share of pi*'s."""
    level = known(tables, context, SOKOBAN)
    both = _at_the_end(tables, context, (REFERENCE, SCRATCH), SOKOBAN)
    most = np.maximum(both[REFERENCE], both[SCRATCH]) / (level if relative else 1.0)
    return one_sample(most, f"seeds {listed(most)}; pi* fills {number(level)}")


def order(
    tables: TablesByExperiment, context: ClaimContext, probe: Probe, paper: Mapping[str, float]
) -> Measurement:
    """Each seed's rank correlation, over methods, of a measure at the last step with the paper's numbers.

    Raises:
        NotTestable: all methods have the same value, so that there is no order.
    """
    found = _at_the_end(tables, context, tuple(paper), probe)
    if np.ptp(np.stack([*found.values()])) == 0.0:
        raise NotTestable(f"{probe[1]} is the same in all runs: there is no order")
    means = ", ".join(f"{method} {number(values.mean())}" for method, values in found.items())
    return replace(rank_correlation({paper[name]: found[name] for name in paper}), note=means)


def _at_the_end(
    tables: TablesByExperiment, context: ClaimContext, methods: Sequence[str], probe: Probe
) -> dict[str, Array]:
    """Last values of the seeds that all methods have, in the same order."""
    found = {method: runs(tables, context, method, probe) for method in methods}
    return {method: one.last for method, one in zip(methods, by_seed(found, context), strict=True)}


def much_deeper_than(tables: TablesByExperiment, context: ClaimContext, method: str) -> Measurement:
    """The depth of the games that pi* was cloned from minus the method's, minus the method's minus pi*'s."""
    games = table(tables[EXPERIMENT], "expert_recordings")["depth"].to_numpy(dtype=np.float64)
    ours = runs(tables, context, method, DEPTH)
    note = f"expert {number(games.mean())}, {method} {listed(ours.last)}, pi* {number(ours.first.mean())}"
    return Measurement(reference(games), 2 * ours.last - ours.first, note)


def pi_star_share(
    tables: TablesByExperiment,
    context: ClaimContext,
    measure: str,
    chosen: Callable[[Array], NDArray[np.bool_]],
) -> Measurement:
    """Share of pi*'s own final games that ``chosen`` picks by their measure."""
    games = _pi_star_games(tables, measure)
    return Measurement(
        chosen(games).astype(np.float64), note=f"{len(games):,} games", unit="game", limits=RATE
    )


def pi_star_score(tables: TablesByExperiment, context: ClaimContext) -> Measurement:
    """Mean score of pi*'s own final games."""
    games = _pi_star_games(tables, SCORE[1])
    return Measurement(games, note=f"{len(games):,} games", unit="game")


def _pi_star_games(tables: TablesByExperiment, measure: str) -> Array:
    games = pi_star_by_start(tables[EXPERIMENT], measure=measure, probe=SCORE[0]).first
    if len(games) < FEWEST_GAMES:
        raise NotTestable(f"{len(games)} games; {FEWEST_GAMES} are asked for")
    return games


def pi_star_in(tables: TablesByExperiment, probe: Probe) -> Measurement:
    """pi*'s own measurement of a probe."""
    return pi_star_by_start(tables[EXPERIMENT], measure=probe[1], probe=_name(tables, probe))


def _minus_pi_star(
    tables: TablesByExperiment, ours: Runs, index: int, start: Runs, probe: Probe
) -> Measurement:
    """Values of a method that does not start from pi*, at one milestone, minus pi*'s.

    Paired by seed where seeds have start states of their own; otherwise all share pi*'s measurement.
    """
    if ours.own_starts and start.own_starts:
        return compare(_only(ours, index), _only(start, 0))
    return Measurement(ours.values[:, index], reference(pi_star_in(tables, probe).first), reference=True)


def _only(found: Runs, index: int) -> Runs:
    """One milestone, so that values of different milestones can be compared."""
    return replace(found, steps=np.array([0]), values=found.values[:, [index]])
