"""The loop over milestones: measure each one, save its tables, then join them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fpc.core.files import read_table, write_table
from fpc.core.milestones import find_milestones
from fpc.core.tables import EPISODES, NO_START, PI_STAR, episodes_table
from fpc.domains.interface import Run

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor


@dataclass(frozen=True)
class Milestone:
    """One policy to measure."""

    step: int
    weights: Path
    report: Callable[[int], None]  # called with the number of episodes finished at this milestone


Rows = Iterable[Mapping[str, Any]]
Measured = Mapping[str, "pd.DataFrame | Rows"]  # rows of ``episodes``, and other complete tables by name
Keep = Callable[[str, "pd.DataFrame"], "pd.DataFrame"]


@dataclass(frozen=True)
class PiStar:
    """How a run takes pi*'s own measurement over as its step 0, instead of measuring pi* again."""

    is_weights: Callable[[Path], bool]  # whether a milestone holds pi*'s weights (heads may be new)
    keep: Keep = lambda name, table: table  # the rows of a table that belong to this run's probes


def evaluate_milestones(
    domain: str,
    run: Run,
    measure: Callable[[Milestone], Measured],
    *,
    episodes: Callable[[int], int] = lambda step: 1,
    order: Sequence[str] = (),
    pi_star: PiStar | None = None,
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
        pi_star: used where the run has the parent ``evaluate``, which is pi*'s measurement.

    Raises:
        DataError: the fine-tuned run left no milestones.
    """
    milestones = find_milestones(run.parents["finetune"])
    unmeasured = unmeasured_milestones(run, pi_star)
    total, done = sum(map(episodes, milestones)), 0
    for step, path in milestones.items():
        identity = identity_of(domain, run) | {"step": step}
        if step in unmeasured:
            milestone = Milestone(step, path, lambda more, done=done: run.report(done + more, total))  # type: ignore[misc]
            _keep(_folder(run, step), measure(milestone), identity)
        elif not _is_measured(run, step):
            assert pi_star is not None  # otherwise the milestone is to be measured
            _keep(_folder(run, step), _pi_star_tables(run, pi_star), identity)
        done += episodes(step)
        run.report(done, total)
    _join(run, list(milestones), order)


def unmeasured_milestones(run: Run, pi_star: PiStar | None = None) -> dict[int, Path]:
    """Step and weights of each milestone that has to be measured: neither done before nor pi* itself.

    Raises:
        DataError: the fine-tuned run left no milestones.
    """
    return {
        step: path
        for step, path in find_milestones(run.parents["finetune"]).items()
        if not _is_measured(run, step) and not (step == 0 and _is_pi_star(run, path, pi_star))
    }


def measure_pi_star(
    domain: str, run: Run, weights: Path, measure: Callable[[Milestone], Measured], episodes: int
) -> None:
    """Write the tables of pi* itself, with ``pi_star`` as the method and step 0.

    Args:
        domain: name of the domain.
        run: the run; its method is ``pi_star``.
        weights: pi*'s, as ``measure`` reads them.
        measure: measures one policy.
        episodes: number of episodes, for progress reports.
    """
    milestone = Milestone(0, weights, lambda done: run.report(done, episodes))
    if not _is_measured(run, 0):
        _keep(_folder(run, 0), measure(milestone), identity_of(domain, run) | {"step": 0})
    run.report(episodes, episodes)
    _join(run, [0], ())


def _is_pi_star(run: Run, weights: Path, pi_star: PiStar | None) -> bool:
    """Whether pi* has been measured by itself and these are its weights."""
    return pi_star is not None and "evaluate" in run.parents and pi_star.is_weights(weights)


def _pi_star_tables(run: Run, pi_star: PiStar) -> Measured:
    """pi*'s tables with this run's method and seed."""

    found = {}
    for path in sorted(run.parents["evaluate"].glob("*.parquet")):
        table = pi_star.keep(path.stem, read_table(path))
        own = {"method": run.method, "seed": run.seed}
        found[path.stem] = table.assign(**{name: own[name] for name in own if name in table})
    return found


def has_weights(weights: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> bool:
    """Whether weights have every expected tensor, bit for bit."""
    import torch

    return all(name in weights and torch.equal(weights[name], value) for name, value in expected.items())


def start_indices(run: Run, count: int, known: int) -> list[int]:
    """Indices of the start states of ``count`` episodes: ``known`` states in turn, divided among the seeds.

    pi*'s own run plays each at least once.
    """
    first = run.seed * count
    count = max(count, known) if run.method == PI_STAR else count
    return [(first + number) % known for number in range(count)]


def rows_from(table: pd.DataFrame, starts: Collection[int]) -> pd.DataFrame:
    """The rows of ``episodes`` that have one of these start states, or none at all."""
    return table[table["start"].isin([*starts, NO_START])]


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


def _is_measured(run: Run, step: int) -> bool:
    return (_folder(run, step) / f"{EPISODES}.parquet").exists()


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
        table = pd.concat([read_table(part) for part in parts], ignore_index=True)
        if order and name == f"{EPISODES}.parquet":
            table = table.sort_values(list(order), ignore_index=True)
        write_table(run.output / name, table)
