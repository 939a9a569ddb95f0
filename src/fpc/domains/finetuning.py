"""Fine-tuning with a retention method: the parts common to all domains and learners."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fpc.core.files import write_table
from fpc.core.milestones import write_milestone
from fpc.core.tables import FIRST_VISIT
from fpc.domains.interface import Run
from fpc.learners.interface import Trained, Weights
from fpc.retention.interface import MethodOptions, Need, RetentionMethod
from fpc.retention.registry import load_method

if TYPE_CHECKING:
    import pandas as pd

POLICY, CRITIC, EXPERT = "policy.safetensors", "critic.safetensors", "expert.safetensors"
TRAINING = "training.parquet"


def run_fields(run: Run, state: Path | None = None, phase: str | None = None) -> dict[str, Any]:
    """Fields of a ``Specification`` that follow from the run.

    Args:
        run: the run.
        state: folder to resume from; by default the run's own.
        phase: word of the random streams; by default the run's phase. Training that precedes or follows
            another within one phase, such as a critic's, needs its own, or both would play the same episodes.
    """
    return {
        "seeds": run.seeds,
        "phase": phase or run.phase,
        "state": state or run.state,
        "report": run.report,
        "device": run.device,
        "on_device": run.note_device,
        "checkpoint_seconds": run.checkpoint_seconds,
    }


@dataclass(frozen=True)
class Finetuning:
    """One run of fine-tuning with one method."""

    run: Run
    method_class: type[RetentionMethod]
    options: MethodOptions
    steps: int  # the method's if it sets them, otherwise the experiment's

    @classmethod
    def of(cls, run: Run, method: str, options: MethodOptions, steps: int) -> Finetuning:
        """Fine-tuning with ``method``; the experiment's budget ``steps`` may be overridden by the options."""
        return cls(run, load_method(method), options, options.steps or steps)

    @property
    def pretrained(self) -> bool:
        """Whether training starts from pi*."""
        return self.method_class.pretrained

    def needs(self, *needs: Need) -> bool:
        """Whether the method needs one of these."""
        return not self.method_class.needs.isdisjoint(needs)

    def pi_star(self, name: str = POLICY) -> Path | None:
        """Path of a file of pi* to start from; None for a method that trains from scratch."""
        return self.run.parents["pretrain"] / name if self.pretrained else None

    def teacher(self) -> Path | None:
        """Path of pi* for a method that needs something of pi*'s but does not start from it; else None."""
        wanted = bool(self.method_class.needs) and not self.pretrained
        return self.run.parents["pretrain"] / POLICY if wanted else None

    def fields(self, milestones: Sequence[int]) -> dict[str, Any]:
        """Fields of a ``Specification``, with milestones at these environment steps."""
        return run_fields(self.run) | {
            "steps": self.steps,
            "method": self.method_class(self.options),
            "milestones": tuple(milestones),
            "on_milestone": self.keep,
        }

    def keep(self, step: int, policy: Weights, critic: Weights) -> None:
        """Write the policy weights at a milestone."""
        write_milestone(self.run.output, step, policy)

    def finish(self, trained: Trained, far: Sequence[str] = ()) -> None:
        """Write ``training.parquet``.

        Args:
            trained: the result of the learner.
            far: the Far probes; each one that training never visited gets a row at the last step whose value
                is NaN, so that "never" differs from "not recorded".
        """
        write_table(self.run.output / TRAINING, with_never_visited(trained.table, far, self.steps))


def with_never_visited(table: pd.DataFrame, far: Sequence[str], steps: int) -> pd.DataFrame:
    """A training table of one seed with a row ``first_visit_<probe>``, NaN, for each unvisited Far probe."""
    import pandas as pd

    visited = set(table["metric"])
    never = [name for probe in far if (name := f"{FIRST_VISIT}{probe}") not in visited]
    if not never:
        return table
    (seed,) = table["seed"].unique()
    rows = pd.DataFrame({"step": steps, "seed": seed, "metric": never, "value": math.nan})
    return pd.concat([table, rows.astype(table.dtypes)], ignore_index=True)
