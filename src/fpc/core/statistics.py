"""Statistics over runs: pure functions of numpy arrays.

Intervals are percentile intervals of a seeded stratified bootstrap (Agarwal et al. 2021, "Deep
Reinforcement Learning at the Edge of the Statistical Precipice"): runs are resampled
with replacement within each stratum (a task, a method), so each stratum keeps its weight.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import trim_mean

Array = NDArray[np.float64]
Statistic = Callable[[Array], ArrayLike]

CHUNK = 4_000_000  # values resampled at a time, which keeps memory near 100 MB


@dataclass(frozen=True)
class Estimate:
    """A statistic with its interval; ``low`` and ``high`` are NaN if a stratum has fewer than two runs."""

    value: float
    low: float
    high: float
    level: float


@dataclass(frozen=True)
class Curve:
    """A statistic and its interval at each step; float64 arrays ``[steps]``."""

    value: Array
    low: Array
    high: Array
    level: float


def mean(values: Array) -> Array:
    """Mean over the last axis."""
    return np.asarray(np.mean(values, axis=-1), dtype=np.float64)


def interquartile_mean(values: Array) -> Array:
    """Mean of the middle half of the values along the last axis.

    ``floor(n / 4)`` values are trimmed at each end, so fewer than four values give their plain mean.
    """
    return np.asarray(trim_mean(values, 0.25, axis=-1), dtype=np.float64)


def bootstrap_estimate(
    scores: ArrayLike | Sequence[ArrayLike],
    statistic: Statistic = interquartile_mean,
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Estimate:
    """A statistic over one or more strata with its stratified bootstrap interval.

    Args:
        scores: ``[runs]``, ``[runs, tasks]`` (each task a stratum), or a list with one ``[runs]``
            array per stratum, of any lengths.
        statistic: reduces the last axis of ``[resamples, values]``, in which the strata are concatenated;
            see ``difference_of`` for a statistic of two strata.
        level: probability mass of the interval, between 0 and 1.
        resamples: number of bootstrap samples.
        seed: seed of the resampling.

    Raises:
        ValueError: empty or non-finite scores, or a level outside (0, 1).
    """
    strata = _strata(scores)
    _check_level(level, resamples)
    value = float(np.asarray(statistic(np.concatenate(strata)[np.newaxis, :]))[0])
    if any(len(stratum) < 2 for stratum in strata):
        return Estimate(value, float("nan"), float("nan"), level)
    rng = np.random.default_rng(seed)
    chunk = max(1, CHUNK // sum(len(stratum) for stratum in strata))
    drawn: list[Array] = []
    for start in range(0, resamples, chunk):
        count = min(chunk, resamples - start)
        samples = [stratum[_draws(rng, count, len(stratum))] for stratum in strata]
        drawn.append(np.asarray(statistic(np.concatenate(samples, axis=-1)), dtype=np.float64))
    low, high = np.quantile(np.concatenate(drawn), _tails(level))
    return Estimate(value, float(low), float(high), level)


def difference_of(size: int, statistic: Callable[[Array], Array]) -> Statistic:
    """For two strata: ``statistic`` of the first ``size`` values minus that of the rest."""

    def difference(values: Array) -> Array:
        return statistic(values[..., :size]) - statistic(values[..., size:])

    return difference


def bootstrap_curve(
    scores: ArrayLike,
    statistic: Callable[[Array], Array] = interquartile_mean,
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Curve:
    """A statistic over runs at each step with its pointwise bootstrap interval.

    Whole runs are resampled, so all steps of a resample come from the same runs.

    Args:
        scores: ``[runs, steps]``.
        statistic: reduces the last axis, here the runs.
        level: probability mass of the interval, between 0 and 1.
        resamples: number of bootstrap samples.
        seed: seed of the resampling.

    Raises:
        ValueError: empty or non-finite scores, or a level outside (0, 1).
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 2:
        raise ValueError(f"scores of a curve must have shape [runs, steps], got {list(values.shape)}")
    _check_finite(values)
    _check_level(level, resamples)
    by_step = values.T
    centre = np.asarray(statistic(by_step), dtype=np.float64)
    if values.shape[0] < 2:
        unknown = np.full_like(centre, np.nan)
        return Curve(centre, unknown, unknown.copy(), level)
    draws = _draws(np.random.default_rng(seed), resamples, values.shape[0])
    chunk = max(1, CHUNK // draws.size)
    bounds = [
        np.quantile(statistic(by_step[start : start + chunk, draws]), _tails(level), axis=-1)
        for start in range(0, by_step.shape[0], chunk)
    ]
    low, high = np.concatenate(bounds, axis=-1)
    return Curve(centre, low, high, level)


def linear_cka(x: ArrayLike, y: ArrayLike) -> float:
    """Linear centred kernel alignment of two representations of the same inputs, between 0 and 1.

    ``|Y'X|^2 / (|X'X| |Y'Y|)`` with centred columns and Frobenius norms (Kornblith et al. 2019, eq. 3;
    used in the paper's section on RoboticSequence and Figure 20).

    Args:
        x: ``[inputs, features]``.
        y: ``[inputs, features]``; the number of features may differ from that of ``x``.

    Returns:
        The alignment; NaN if one representation is constant.

    Raises:
        ValueError: the shapes do not match, or a value is not finite.
    """
    first, second = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if first.ndim != 2 or second.ndim != 2 or len(first) != len(second):
        raise ValueError(
            f"representations must have shape [inputs, features] with equal inputs, "
            f"got {list(first.shape)} and {list(second.shape)}"
        )
    _check_finite(first)
    _check_finite(second)
    first, second = _centred(first), _centred(second)
    scale = np.linalg.norm(first.T @ first) * np.linalg.norm(second.T @ second)
    if scale == 0.0:
        return float("nan")
    return float(np.linalg.norm(second.T @ first) ** 2 / scale)


def area_under_curve(steps: ArrayLike, success: ArrayLike) -> Array:
    """Area under ``success`` ``[..., steps]`` by the trapezoidal rule, divided by the range of ``steps``.

    Shape ``[...]``; in [0, 1] for success rates.

    Raises:
        ValueError: fewer than two steps, or steps that do not increase.
    """
    positions = np.asarray(steps, dtype=np.float64)
    heights = np.asarray(success, dtype=np.float64)
    if positions.ndim != 1 or len(positions) < 2 or np.any(np.diff(positions) <= 0):
        raise ValueError("an area needs at least two steps, in increasing order")
    if heights.shape[-1] != len(positions):
        raise ValueError(f"{heights.shape[-1]} success values for {len(positions)} steps")
    area = np.trapezoid(heights, positions, axis=-1) / (positions[-1] - positions[0])
    return np.asarray(area, dtype=np.float64)


def forward_transfer(area: ArrayLike, baseline_area: ArrayLike) -> Array:
    """``(AUC - AUC_b) / (1 - AUC_b)``, where b is training from scratch (paper, Table 6).

    1 is success throughout, 0 no better than scratch, negative worse. NaN where the baseline leaves nothing
    to gain.
    """
    ours = np.asarray(area, dtype=np.float64)
    baseline = np.asarray(baseline_area, dtype=np.float64)
    gain = 1.0 - baseline
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(gain > 0.0, (ours - baseline) / gain, np.nan)


def _strata(scores: ArrayLike | Sequence[ArrayLike]) -> list[Array]:
    ragged = isinstance(scores, list | tuple) and all(np.ndim(part) == 1 for part in scores)
    if ragged:
        strata = [np.asarray(part, dtype=np.float64) for part in scores]  # type: ignore[union-attr]
    else:
        values = np.asarray(scores, dtype=np.float64)
        if values.ndim not in (1, 2):
            raise ValueError(f"scores must have shape [runs] or [runs, tasks], got {list(values.shape)}")
        strata = [values] if values.ndim == 1 else list(values.T)
    if not strata:
        raise ValueError("no scores")
    for stratum in strata:
        _check_finite(stratum)
    return strata


def _draws(rng: np.random.Generator, resamples: int, runs: int) -> NDArray[np.int64]:
    return rng.integers(runs, size=(resamples, runs))


def _tails(level: float) -> list[float]:
    return [(1.0 - level) / 2.0, (1.0 + level) / 2.0]


def _centred(features: Array) -> Array:
    return np.asarray(features - features.mean(axis=0), dtype=np.float64)


def _check_finite(values: Array) -> None:
    if values.size == 0:
        raise ValueError("no scores")
    if not np.isfinite(values).all():
        raise ValueError("scores contain NaN or infinity; leave out missing measurements")


def _check_level(level: float, resamples: int) -> None:
    if not 0.0 < level < 1.0:
        raise ValueError(f"level is {level}; it must be between 0 and 1, for example 0.95")
    if resamples < 1:
        raise ValueError(f"resamples is {resamples}; it must be at least 1, for example 2000")
