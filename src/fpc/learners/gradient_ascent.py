"""Projected gradient ascent on an exact value, for policies of one parameter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

IMAGINARY_STEP = 1e-100  # no subtraction takes place, so it may be as small as this


def derivative(value: Callable[[Any], Any], theta: float) -> float:
    """``d value / d theta``, exact to rounding by a complex step (Squire and Trapp 1998).

    Args:
        value: analytic in pieces, and written so that it takes complex numbers.
        theta: where; on the seam of two pieces the piece that ``value`` takes there counts.
    """
    return float(np.imag(value(complex(theta, IMAGINARY_STEP))) / IMAGINARY_STEP)


def gradient_ascent(
    value: Callable[[Any], Any], start: float, learning_rate: float, updates: int
) -> NDArray[np.float64]:
    """``theta <- clip(theta + learning_rate * d value / d theta, 0, 1)``, repeated.

    Source: paper, appendix on the two-state MDPs (fine-tuning is gradient ascent on v0).

    Returns:
        ``[updates + 1]`` float64: theta before the first update and after each.
    """
    trajectory = np.empty(updates + 1)
    trajectory[0] = theta = start
    for update in range(updates):
        theta = min(max(theta + learning_rate * derivative(value, theta), 0.0), 1.0)
        trajectory[update + 1] = theta
    return trajectory
