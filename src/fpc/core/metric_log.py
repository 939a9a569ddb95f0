"""The metrics of a training run, in a form that a checkpoint can store exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from fpc.core.tables import FIRST_VISIT

if TYPE_CHECKING:
    import pandas as pd


class MetricLog:
    """Rows (step, metric, value) in the order in which they were added."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._rows: list[tuple[int, int, float]] = []

    def add(self, step: int, **values: float) -> None:
        """Add one row per value, at environment step ``step``."""
        for name, value in values.items():
            if name not in self.names:
                self.names.append(name)
            self._rows.append((step, self.names.index(name), float(value)))

    def add_first_visit(self, step: int, probe: str) -> None:
        """Note that training is at ``probe`` at environment step ``step``, unless it was there before.

        One row for each probe, ``first_visit_<probe>``, whose value is the step too. What was visited is
        read from the rows, so a log that was restored from a checkpoint does not note it again.
        """
        name = f"{FIRST_VISIT}{probe}"
        if name not in self.names:
            self.add(step, **{name: step})

    def tensor(self) -> Tensor:
        """float64 ``[rows, 3]``: step, index of the metric in ``names``, value."""
        return torch.tensor(self._rows, dtype=torch.float64).reshape(-1, 3)

    def restore(self, names: list[str], rows: Tensor) -> None:
        """Restore the log from its ``names`` and :meth:`tensor`."""
        self.names = list(names)
        self._rows = [(int(step), int(metric), value) for step, metric, value in rows.tolist()]

    def table(self, seed: int) -> pd.DataFrame:
        """The tidy table: step int64, seed int64, metric str, value float64."""
        import pandas as pd

        steps, metrics, values = zip(*self._rows, strict=True) if self._rows else ((), (), ())
        return pd.DataFrame(
            {
                "step": pd.Series(steps, dtype="int64"),
                "seed": pd.Series([seed] * len(steps), dtype="int64"),
                "metric": pd.Series([self.names[index] for index in metrics], dtype="str"),
                "value": pd.Series(values, dtype="float64"),
            }
        )
