"""Hand-made tables with known outcomes for every claim; those of each domain are in a module of their own."""

from __future__ import annotations

import pandas as pd
import pytest

from .montezuma_tables import montezuma
from .nethack_tables import nethack
from .robotic_tables import robotic
from .toy_tables import toys


@pytest.fixture
def paper_like() -> dict[str, dict[str, pd.DataFrame]]:
    """Tables that agree with the paper; of RoboticSequence, without the ablations."""
    return {
        **robotic(),
        "nethack": nethack(),
        **montezuma(),
        **toys(),
    }
