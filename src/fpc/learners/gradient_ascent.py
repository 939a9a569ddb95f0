"""Projected gradient ascent on an exact value function, for one-parameter policies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from fpc.learners.interface import Learner, Specification, Trained

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

IMAGINARY_STEP = 1e-100  # a complex step involves no subtraction, so it can be this small
Value = Callable[[Any], Any]


@dataclass(frozen=True, kw_only=True)
class GradientAscentSpecification(Specification):
    """Value functions and initial parameters by policy name; ``steps`` and ``milestones`` count updates.

    Value functions are piecewise analytic and must accept complex numbers.
    """

    values: Mapping[str, Value]
    start: Mapping[str, float]
    learning_rate: float


class GradientAscent(Learner[GradientAscentSpecification]):
    """Exact, and finished within a second: it writes no checkpoints and provides nothing to methods."""

    name: ClassVar[str] = "gradient_ascent"

    def train(self, specification: GradientAscentSpecification) -> Trained:
        """Maximise each value: ``policy`` has a float64 scalar per name, ``table`` a column ``condition``."""
        import pandas as pd

        steps, rate = specification.steps, specification.learning_rate
        paths = {
            name: gradient_ascent(value, specification.start[name], rate, steps)
            for name, value in specification.values.items()
        }
        if specification.on_milestone is not None:
            for step in specification.milestones:
                specification.on_milestone(step, _policy(paths, step), {})
        specification.report(steps, steps)
        columns = {"step": range(steps + 1), "seed": specification.seeds[0], "metric": "theta"}
        tables = [pd.DataFrame({**columns, "value": path, "condition": name}) for name, path in paths.items()]
        return Trained(_policy(paths, steps), {}, pd.concat(tables, ignore_index=True))


def _policy(paths: Mapping[str, NDArray[np.float64]], step: int) -> Any:
    import torch

    return {name: torch.tensor(path[step], dtype=torch.float64) for name, path in paths.items()}


def derivative(value: Value, theta: float) -> float:
    """``d value / d theta``, exact up to rounding, by a complex step (Squire and Trapp 1998).

    Args:
        value: piecewise analytic; must accept complex numbers.
        theta: the point; at a boundary between pieces, the piece that ``value`` selects there is used.
    """
    return float(value(complex(theta, IMAGINARY_STEP)).imag / IMAGINARY_STEP)


def gradient_ascent(value: Value, start: float, learning_rate: float, updates: int) -> NDArray[np.float64]:
    """Repeat ``theta <- clip(theta + learning_rate * d value / d theta, 0, 1)``.

    Source: paper, appendix on the two-state MDPs (fine-tuning is gradient ascent on v0).

    Returns:
        ``[updates + 1]`` float64: theta before the first update and after each.
    """
    import numpy as np

    trajectory = np.empty(updates + 1)
    trajectory[0] = theta = start
    for update in range(updates):
        theta = min(max(theta + learning_rate * derivative(value, theta), 0.0), 1.0)
        trajectory[update + 1] = theta
    return trajectory
