"""Numbers in text."""

from __future__ import annotations

import pytest

from fpc.core.numbers import number


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.012345, "0.0123"),
        (-12.34, "-12.3"),
        (999.4, "999"),
        (999.5, "1,000"),  # not 1e+03
        (-1234.5, "-1,234"),
        (1e7, "10,000,000"),
    ],
)
def test_three_digits_or_all_before_the_point(value: float, text: str) -> None:
    assert number(value) == text
