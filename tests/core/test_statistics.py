"""Statistics compared with independent implementations and hand-computed values, and their properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from fpc.core import statistics

rates = st.floats(0.0, 1.0, width=32)


def gram_cka(x: np.ndarray, y: np.ndarray) -> float:
    """CKA from the Hilbert-Schmidt independence criterion of Gram matrices (Kornblith et al., eq. 4)."""
    centring = np.eye(len(x)) - 1.0 / len(x)
    first, second = x @ x.T, y @ y.T

    def independence(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.trace(a @ centring @ b @ centring))

    return independence(first, second) / np.sqrt(independence(first, first) * independence(second, second))


def test_interquartile_mean_by_hand_and_by_scipy() -> None:
    assert statistics.interquartile_mean(np.array([100.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, -50.0])) == 3.5
    assert statistics.interquartile_mean(np.array([0.0, 0.0, 3.0])) == 1.0
    values = np.random.default_rng(0).normal(size=(5, 23))
    np.testing.assert_allclose(
        statistics.interquartile_mean(values), [stats.trim_mean(row, 0.25) for row in values]
    )


@given(hnp.arrays(np.float64, st.integers(4, 30), elements=rates))
def test_interquartile_mean_lies_within_the_values_and_ignores_order(values: np.ndarray) -> None:
    result = statistics.interquartile_mean(values)
    assert values.min() - 1e-12 <= result <= values.max() + 1e-12
    assert result == pytest.approx(float(statistics.interquartile_mean(values[::-1])))


@pytest.mark.parametrize("statistic", [statistics.mean, statistics.interquartile_mean])
@pytest.mark.parametrize("level", [0.90, 0.95])
def test_bootstrap_agrees_with_scipy(statistic: object, level: float) -> None:
    values = np.random.default_rng(1).gamma(2.0, size=24)
    ours = statistics.bootstrap_estimate(values, statistic, level=level, resamples=20_000, seed=3)  # type: ignore[arg-type]
    reference = stats.bootstrap(
        (values,),
        lambda sample, axis: statistic(np.moveaxis(sample, axis, -1)),  # type: ignore[operator]
        confidence_level=level,
        n_resamples=20_000,
        method="percentile",
        rng=np.random.default_rng(4),
        vectorized=True,
    ).confidence_interval
    assert ours.low == pytest.approx(reference.low, abs=0.02)
    assert ours.high == pytest.approx(reference.high, abs=0.02)


def test_strata_keep_their_weight() -> None:
    """With constant scores in each stratum nothing is random; pooled resampling would be."""
    estimate = statistics.bootstrap_estimate([np.zeros(4), np.ones(12)], statistics.mean, seed=0)
    assert (estimate.value, estimate.low, estimate.high) == (0.75, 0.75, 0.75)
    by_task = np.stack([np.zeros(6), np.ones(6)], axis=1)
    estimate = statistics.bootstrap_estimate(by_task, statistics.mean)
    assert (estimate.value, estimate.low, estimate.high) == (0.5, 0.5, 0.5)


def test_bootstrap_is_seeded_and_does_not_depend_on_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(5).random(9)
    first = statistics.bootstrap_estimate(values, seed=7)
    assert first == statistics.bootstrap_estimate(values, seed=7)
    assert first != statistics.bootstrap_estimate(values, seed=8)
    curve = statistics.bootstrap_curve(np.outer(values, np.arange(1.0, 8.0)))
    monkeypatch.setattr(statistics, "CHUNK", 10)
    assert first == statistics.bootstrap_estimate(values, seed=7)
    np.testing.assert_array_equal(
        curve.low, statistics.bootstrap_curve(np.outer(values, np.arange(1.0, 8.0))).low
    )


def test_difference_of_two_strata() -> None:
    high, low = np.array([0.9, 1.0, 0.8]), np.array([0.1, 0.0, 0.2, 0.1])
    difference = statistics.difference_of(len(high), statistics.mean)
    estimate = statistics.bootstrap_estimate([high, low], difference, level=0.9)
    assert estimate.value == pytest.approx(0.8)
    assert 0.0 < estimate.low < 0.8 < estimate.high


def test_one_run_has_no_interval() -> None:
    estimate = statistics.bootstrap_estimate([np.array([0.3])])
    assert estimate.value == 0.3
    assert np.isnan([estimate.low, estimate.high]).all()
    assert np.isnan(statistics.bootstrap_curve([[0.1, 0.2]]).low).all()


def test_curve_agrees_with_its_points() -> None:
    scores = np.random.default_rng(2).random((8, 5))
    curve = statistics.bootstrap_curve(scores, statistics.mean, level=0.9, resamples=500, seed=11)
    np.testing.assert_allclose(curve.value, scores.mean(axis=0))
    for step in range(5):
        point = statistics.bootstrap_estimate(
            scores[:, step], statistics.mean, level=0.9, resamples=500, seed=11
        )
        assert (curve.low[step], curve.high[step]) == (pytest.approx(point.low), pytest.approx(point.high))


@settings(deadline=None)
@given(hnp.arrays(np.float64, st.tuples(st.integers(2, 6), st.integers(1, 4)), elements=rates))
def test_interval_lies_within_the_scores(scores: np.ndarray) -> None:
    curve = statistics.bootstrap_curve(scores, statistics.mean, resamples=50)
    tolerance = 1e-12
    assert np.all(curve.low >= scores.min(axis=0) - tolerance)
    assert np.all(curve.high <= scores.max(axis=0) + tolerance)
    assert np.all(curve.low <= curve.high)


@pytest.mark.parametrize("shapes", [(40, 7, 5), (12, 30, 16)])
def test_cka_agrees_with_its_gram_form(shapes: tuple[int, int, int]) -> None:
    inputs, first, second = shapes
    rng = np.random.default_rng(0)
    x = rng.normal(2.0, 1.0, (inputs, first))
    y = np.tanh(x @ rng.normal(size=(first, second))) + 0.3
    assert statistics.linear_cka(x, y) == pytest.approx(gram_cka(x, y), rel=1e-9)
    assert 0.0 < statistics.linear_cka(x, y) < 1.0


@settings(deadline=None)
@given(st.integers(0, 1000), st.floats(0.1, 10.0), st.floats(-5.0, 5.0))
def test_cka_ignores_rotation_scale_and_shift(seed: int, scale: float, shift: float) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(20, 4)), rng.normal(size=(20, 6))
    rotation = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    assert statistics.linear_cka(x, scale * x @ rotation + shift) == pytest.approx(1.0)
    assert statistics.linear_cka(x @ rotation, y) == pytest.approx(statistics.linear_cka(y, x))


def test_cka_of_a_constant_is_nan() -> None:
    assert np.isnan(statistics.linear_cka(np.ones((5, 2)), np.eye(5)))


def test_area_and_forward_transfer_by_hand() -> None:
    area = statistics.area_under_curve([0, 10, 30], [[0.0, 1.0, 1.0], [0.5, 0.5, 0.5]])
    np.testing.assert_allclose(area, [(5 + 20) / 30, 0.5])
    np.testing.assert_allclose(statistics.forward_transfer([0.9, 0.2, 0.1], 0.2), [0.875, 0.0, -0.125])
    assert np.isnan(statistics.forward_transfer(1.0, 1.0))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: statistics.bootstrap_estimate([]), "no scores"),
        (lambda: statistics.bootstrap_estimate([[0.1, np.nan]]), "NaN"),
        (lambda: statistics.bootstrap_estimate([0.1, 0.2], level=95.0), "level is 95.0"),
        (lambda: statistics.bootstrap_curve([0.1, 0.2]), r"\[runs, steps\]"),
        (lambda: statistics.bootstrap_curve([[0.1, 0.2]], resamples=0), "resamples"),
        (lambda: statistics.linear_cka(np.ones((3, 2)), np.ones((4, 2))), "equal inputs"),
        (lambda: statistics.area_under_curve([0, 0], [1.0, 1.0]), "increasing"),
        (lambda: statistics.area_under_curve([0, 1, 2], [1.0, 1.0]), "2 success values"),
    ],
)
def test_bad_input_is_an_error_that_says_what_is_wrong(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # type: ignore[operator]
