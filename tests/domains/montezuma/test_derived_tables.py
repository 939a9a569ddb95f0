"""The table of rooms, by hand; the frames of attempts are tested with the film."""

from __future__ import annotations

import numpy as np
import pandas as pd

from fpc.domains.montezuma.derived_tables import DERIVED, rooms
from fpc.domains.montezuma.domain import DOMAIN
from fpc.domains.two_state_mdp.domain import DOMAIN as TWO_STATE_MDP


def test_each_room_has_its_position_and_visits() -> None:
    visits = pd.DataFrame(
        {"room": [1, 1, 1, 2], "x": [0, 0, 25, 3], "y": [15, 15, 40, 0], "visits": [1, 2, 5, 7]}
    )
    found = rooms(visits).set_index("room")
    assert sorted(found.index) == list(range(1, 25))
    assert len(set(zip(found["row"], found["column"], strict=True))) == 24
    assert (found["row"].max(), found["column"].max()) == (3, 8)
    first = found.loc[1, "counts"]
    assert first.shape == (17, 20)
    assert (first[0, 0], first[16, 19], first.sum()) == (
        3.0,
        5.0,
        8.0,
    )  # positions outside are moved to the edge
    assert np.argwhere(found.loc[2, "counts"]).tolist() == [[0, 3]]
    assert found.drop([1, 2])["counts"].isna().all()


def test_a_domain_derives_no_tables_by_default() -> None:
    assert set(DOMAIN.derived_tables()) == set(DERIVED) == {"rooms", "frames"}
    assert TWO_STATE_MDP.derived_tables() == {}
