"""Replays of recorded attempts are checked against their record."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import pytest
from tests.figures.film_attempts import make_attempts

from fpc.core.errors import DataError
from fpc.domains.robotic_sequence import filming
from fpc.domains.robotic_sequence.derived_tables import frames


@pytest.fixture
def attempt() -> pd.DataFrame:
    """One attempt that solves its stage, where it can be rendered."""
    try:
        filming.backend()
    except filming.NoRendering as error:
        pytest.skip(str(error))
    return make_attempts().iloc[:1]


def test_another_start_state_is_refused(attempt: pd.DataFrame) -> None:
    with pytest.raises(DataError, match=r"handle-press, seed 5: another start state than recorded"):
        frames(attempt.assign(start_seed=5))


@pytest.mark.parametrize("change", ["cut", "continued", "outcome"])
def test_another_end_is_refused(attempt: pd.DataFrame, change: str) -> None:
    actions = attempt["actions"].iloc[0]
    changed = {
        "cut": attempt.assign(actions=actions[:-32]),
        "continued": attempt.assign(actions=actions + actions[-32:]),
        "outcome": attempt.assign(success=False),
    }[change]
    with pytest.raises(DataError, match=r"handle-press, seed 4: its actions do not lead to the recorded end"):
        frames(changed)


@pytest.fixture
def forgotten_backend() -> Iterator[None]:
    """Asks for the backend anew, before and after the test."""
    filming.backend.cache_clear()
    yield
    filming.backend.cache_clear()


@pytest.mark.usefixtures("forgotten_backend")
def test_a_leftover_choice_of_the_shell_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        found = filming.backend()
    except filming.NoRendering as error:
        pytest.skip(str(error))
    filming.backend.cache_clear()
    monkeypatch.setenv("MUJOCO_GL", "nonsense")
    monkeypatch.setenv("PYOPENGL_PLATFORM", "nonsense")
    assert filming.backend() == found


@pytest.mark.usefixtures("forgotten_backend")
def test_a_backend_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filming, "PROBE_SECONDS", 0.01)
    with pytest.raises(filming.NoRendering, match=r"egl: no answer in 0 s; osmesa: no answer in 0 s"):
        filming.backend()
