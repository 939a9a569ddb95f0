"""What RoboticSequence's claims measure, by hand and against independent computations."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fpc.claims.claim import ClaimContext, NotTestable
from fpc.claims.measures import Runs
from fpc.claims.robotic_levels import is_the_papers
from fpc.claims.robotic_measures import always, at_the_end, dip, stage, stages_of
from fpc.claims.robotic_transfer import transfer
from fpc.core.statistics import forward_transfer

CONTEXT = ClaimContext("paper", resamples=200)


def test_a_dip_is_below_the_start_and_the_end() -> None:
    values = np.array([[1.0, 0.2, 0.5], [1.0, 0.5, 0.1], [0.3, 0.3, 0.6]])
    runs = Runs(np.array([0, 50, 100]), values, (0, 1, 2))
    assert always(runs).tolist() == values[:, 1:].tolist()
    assert at_the_end(runs).tolist() == [0.5, 0.1, 0.6]
    np.testing.assert_allclose(dip(runs), [[0.3, 0.0], [-0.4, 0.0], [0.0, -0.3]])


def test_the_end_is_the_last_tenth() -> None:
    values = np.array([[0.0, 0.0, 0.4, 0.6, 0.8]])
    runs = Runs(np.array([0, 850, 900, 950, 1000]), values, (0,))
    assert at_the_end(runs).tolist() == pytest.approx([0.6])


def test_transfer_is_the_papers_number_with_the_spread_of_both_groups() -> None:
    generator = np.random.default_rng(1)
    areas = {"vanilla": generator.uniform(0.3, 0.7, 20), "scratch": generator.uniform(0.0, 0.4, 20)}
    rows = [
        (method, seed, step, "1_push-wall", "far", "success", value)
        for method, values in areas.items()
        for seed, value in enumerate(values)
        for step in (0, 10)
    ]
    names = ["method", "seed", "step", "probe", "group", "measure", "value"]
    tables = {"x": {"episodes": pd.DataFrame(rows, columns=names)}}
    found = transfer(tables, CONTEXT, "x", "vanilla")
    assert found.mean() == pytest.approx(float(forward_transfer(*(v.mean() for v in areas.values()))))
    drawn = generator.integers(20, size=(2, 4000, 20))
    ours, base = (values[index].mean(axis=1) for values, index in zip(areas.values(), drawn, strict=True))
    bootstrap = forward_transfer(ours, base).std()
    assert found.std(ddof=1) / np.sqrt(20) == pytest.approx(bootstrap, rel=0.25)


def test_roles_follow_the_sequence() -> None:
    names = {"0_door-close": "close", "1_window-close": "far", "10_a": "far", "2_faucet-close": "far"}
    rows = pd.DataFrame({"step": 0, "probe": list(names), "group": list(names.values())})
    tables = {"episodes": rows}
    assert stages_of(tables)["far"] == ["1_window-close", "2_faucet-close", "10_a"]
    assert stage(tables, "last_close") == "0_door-close"
    assert stage(tables, "first_far") == "1_window-close"
    with pytest.raises(NotTestable, match="one close stage"):
        stage(tables, "first_close")
    with pytest.raises(NotTestable, match="not the paper's hammer"):
        is_the_papers(tables)
