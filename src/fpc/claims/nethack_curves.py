"""Measures of NetHack's return in training, binned as in Figure 3a.

Steps count from the first update, as in the paper's figure: fine-tuned runs only sample before it. A claim
about a peak speaks of any bin, and its p-value is multiplied by their number: a seed's own maximum would
always lie above the rest of its curve, even if there were nothing but noise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from fpc.claims.claim import ClaimContext, Measurement, NotTestable, TablesByExperiment
from fpc.claims.measures import Runs, at_least_steps, listed, one_sample, pivoted, table
from fpc.claims.nethack_measures import CLOSE, EXPERIMENT, known, runs, shares
from fpc.core.numbers import number
from fpc.core.statistics import Array
from fpc.figures.summary import BIN_STEPS, after_warm_up, binned

RETURN = "return"
FEWEST_BINS = 6
END = 0.1  # the share of the bins that are "the end"


def curve(tables: TablesByExperiment, context: ClaimContext, method: str) -> Runs:
    """Mean return of the games that each seed finished in each bin; ``steps`` are the bins' midpoints.

    Raises:
        NotTestable: the method has no games in training, too few seeds, or too few bins that all seeds share.
    """
    games, budget = after_warm_up(table(tables[EXPERIMENT], "training"), [RETURN])
    games = games[games["method"] == method]
    if games.empty:
        raise NotTestable(f"no games of {method} in training")
    bins = binned(games, budget, ["method"], width=BIN_STEPS)
    found = pivoted(bins, context, method)
    if len(found.steps) < FEWEST_BINS:
        raise NotTestable(f"all seeds of {method} finished games in {len(found.steps)} bins only")
    return found


def share_of_pi_star(tables: TablesByExperiment, context: ClaimContext, method: str) -> Runs:
    """``curve`` as a share of pi*'s return."""
    found = curve(tables, context, method)
    return replace(found, values=found.values / known(tables, context, CLOSE))


def rise_and_loss(
    tables: TablesByExperiment, context: ClaimContext, method: str, part: float = 1.0
) -> Measurement:
    """The smaller one of the peak's height above pi* and the loss from it to the end, as a share of pi*'s.

    The peak is sought in the first ``part`` of training.
    """
    found, level = curve(tables, context, method), known(tables, context, CLOSE)
    pi_star = dict(zip((start := runs(tables, context, method, CLOSE)).seeds, start.first, strict=True))
    bins, end = bins_and_end(found)
    rise = bins - np.array([pi_star.get(seed, level) for seed in found.seeds])[:, None]
    both = np.minimum(rise, bins - end[:, None])
    return shares(Measurement(_first(part, both), holds="any"), level, _heights(bins, end))


def loss_from_peak(
    tables: TablesByExperiment, context: ClaimContext, method: str, part: float = 1.0
) -> Measurement:
    """The height above the end of the peak in the first ``part`` of training, as a share of pi*'s return."""
    found, level = curve(tables, context, method), known(tables, context, CLOSE)
    bins, end = bins_and_end(found)
    loss = _first(part, bins - end[:, None])
    return shares(Measurement(loss, holds="any"), level, _heights(bins, end))


def rise_by_thirds(tables: TablesByExperiment, context: ClaimContext, method: str) -> Measurement:
    """Both rises between thirds of training, as a share of pi*'s."""
    found, level = curve(tables, context, method), known(tables, context, CLOSE)
    thirds = np.stack([part.mean(axis=1) for part in np.array_split(found.values, 3, axis=1)])
    note = f"thirds at {listed(thirds.mean(axis=1))}"
    return shares(Measurement(np.diff(thirds, axis=0).T), level, note)


def distance_from(
    tables: TablesByExperiment, context: ClaimContext, method: str, readings: Mapping[int, float]
) -> Measurement:
    """Distance of the return from the paper's readings (step -> return), averaged over them.

    Raises:
        NotTestable: the runs end before the last reading.
    """
    found = curve(tables, context, method)
    at_least_steps(found, max(readings) - BIN_STEPS)
    columns = [int(np.argmin(np.abs(found.steps - step))) for step in readings]
    ours = found.values[:, columns]
    distances = np.abs(ours - np.array([*readings.values()])).mean(axis=1)
    means = ", ".join(
        f"{number(mean)} at {step:,}" for mean, step in zip(ours.mean(axis=0), readings, strict=True)
    )
    return one_sample(distances, means)


def bins_and_end(found: Runs) -> tuple[Array, Array]:
    """Each seed's return by bin, ``[seeds, bins]``, and its mean at the end, ``[seeds]``.

    The last bins count as one, so that a curve which rises to the end has its peak there and loses nothing.
    """
    last = max(1, round(END * found.values.shape[1]))
    end = found.values[:, -last:].mean(axis=1)
    return np.column_stack([found.values[:, :-last], end]), end


def _first(part: float, values: Array) -> Array:
    """The bins in the first ``part`` of training, of ``[seeds, bins]``."""
    return values[:, : max(1, round(part * values.shape[1]))]


def _heights(bins: Array, end: Array) -> str:
    """The height of the mean curve's peak, and of all seeds' ends, as text."""
    return f"peaks at {number(bins.mean(axis=0).max())}, ends {listed(end)}"
