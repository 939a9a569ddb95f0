"""The loop over milestones: measure each one, save its tables, then join them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fpc.core.files import write_table
from fpc.core.milestones import find_milestones
from fpc.core.tables import EPISODES, episodes_table
from fpc.domains.interface import Run

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Milestone:
    """One policy to measure."""

    step: int
    weights: Path
    report: Callable[[int], None]  # called with the number of episodes finished at this milestone


Rows = Iterable[Mapping[str, Any]]
Measured = Mapping[str, "pd.DataFrame | Rows"]  # rows of ``episodes``, and other complete tables by name


def evaluate_milestones(
    domain: str,
    run: Run,
    measure: Callable[[Milestone], Measured],
    *,
    episodes: Callable[[int], int] = lambda step: 1,
    order: Sequence[str] = (),
) -> None:
    """Write ``episodes.parquet`` and any other tables returned by ``measure``, over all milestones.

    Each milestone's tables are saved in the run's state, so a resumed run continues with the first milestone
    that is missing there. Rows of ``episodes`` need probe, group, episode, measure and value; columns they
    lack are filled in from the run.

    Args:
        domain: name of the domain.
        run: the run; its ``finetune`` parent holds the milestones.
        measure: measures one milestone.
        episodes: number of episodes measured at a given step, for progress reports.
        order: columns to sort ``episodes`` by; by default rows stay in the order of measurement.

    Raises:
        ValueError: the fine-tuned run left no milestones.
    """
    milestones = find_milestones(run.parents["finetune"])
    total, done = sum(map(episodes, milestones)), 0
    for step, path in milestones.items():
        folder = _folder(run, step)
        if not (folder / f"{EPISODES}.parquet").exists():
            milestone = Milestone(step, path, lambda more, done=done: run.report(done + more, total))  # type: ignore[misc]
            _keep(folder, measure(milestone), identity_of(domain, run) | {"step": step})
        done += episodes(step)
        run.report(done, total)
    _join(run, list(milestones), order)


def identity_of(domain: str, run: Run) -> dict[str, Any]:
    """Columns that are constant over a run's rows; ``seed`` is omitted for a run with several seeds."""
    seed = {"seed": run.seed} if len(run.seeds) == 1 else {}
    return {
        "domain": domain,
        "experiment": run.experiment,
        "condition": "",
        "method": run.method,
        **seed,
    }


def _folder(run: Run, step: int) -> Path:
    return run.state / f"step_{step}"


def _keep(folder: Path, measured: Measured, identity: Mapping[str, Any]) -> None:
    """Write the tables of one milestone; ``episodes`` last, as its presence marks the milestone complete."""
    for name, table in measured.items():
        if name != EPISODES:
            write_table(folder / f"{name}.parquet", table)  # type: ignore[arg-type]
    write_table(folder / f"{EPISODES}.parquet", episodes_table(measured[EPISODES], **identity))


def _join(run: Run, steps: Sequence[int], order: Sequence[str]) -> None:
    """Write each table, concatenated over the milestones that have it."""
    import pandas as pd

    names = {path.name for step in steps for path in _folder(run, step).glob("*.parquet")}
    for name in sorted(names):
        parts = [path for step in steps if (path := _folder(run, step) / name).exists()]
        table = pd.concat([pd.read_parquet(part) for part in parts], ignore_index=True)
        if order and name == f"{EPISODES}.parquet":
            table = table.sort_values(list(order), ignore_index=True)
        write_table(run.output / name, table)
