"""Numbers in text."""

from __future__ import annotations


def number(value: float) -> str:
    """Three digits, or all before the point: 0.0123, 12.3, 1,234."""
    return f"{value:,.0f}" if abs(value) >= 999.5 else f"{value:.3g}"
