"""Hand-made tables with known outcomes for every claim; those of each domain are in a module of their own."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from fpc.claims.claim import ClaimContext
from fpc.claims.testing import evaluate_claims

from .montezuma_tables import montezuma
from .nethack_tables import nethack
from .robotic_tables import robotic
from .toy_tables import toys


def tables() -> dict[str, dict[str, pd.DataFrame]]:
    """Tables that agree with the paper; of RoboticSequence, without the ablations."""
    return {
        **robotic(),
        "nethack": nethack(),
        **montezuma(),
        **toys(),
    }


@pytest.fixture
def paper_like() -> dict[str, dict[str, pd.DataFrame]]:
    """Tables that agree with the paper, of this test's own."""
    return tables()


@pytest.fixture(scope="session")
def ledger() -> list[dict[str, Any]]:
    """``claims.json`` of tables that agree with the paper; not to be changed."""
    return [result.record() for result in evaluate_claims(tables(), ClaimContext("tiny", resamples=50))]
