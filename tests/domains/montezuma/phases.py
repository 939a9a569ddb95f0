"""Phases of Montezuma's Revenge on known start states, without a search: a tiny experiment and its runs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd

from fpc.core.files import write_tensors
from fpc.domains.montezuma.collecting import collect
from fpc.domains.montezuma.config import MontezumaExperiment
from fpc.domains.montezuma.network import MontezumaNetwork
from fpc.workflow.loader import load
from fpc.workflow.run import Run

from .known_states import STATES

TEMPLE = Path(__file__).parents[2] / "temple.yaml"


def experiment(**changes: dict[str, Any]) -> MontezumaExperiment:
    """The scale ``temple`` with sections updated; call it in a project folder."""
    shutil.copy(TEMPLE, "configs/temple.yaml")
    found = load("temple").experiments["montezuma"].model_dump()
    for section, values in changes.items():
        found[section] |= values
    return MontezumaExperiment.model_validate(found)


def run_of(folder: Path, phase: str, method: str | None = None, **parents: Path) -> Run:
    """A run with folders of its own in ``folder``."""
    name = phase if method is None else f"{phase}_{method}"
    state, output = folder / name / "state", folder / name / "output"
    for path in (state, output):
        path.mkdir(parents=True)
    return Run("temple", "montezuma", phase, method, (0,), state, output, parents)


def collected(chosen: MontezumaExperiment, folder: Path) -> dict[str, Path]:
    """The folders of ``pretrain``, with an untrained pi* and the known start states, and of ``collect``."""
    pretrain = run_of(folder, "pretrain").output
    shutil.copy(STATES, pretrain / "start_states.json")
    pd.DataFrame(columns=["room", "x", "y", "visits"]).to_parquet(pretrain / "visits.parquet")
    network = MontezumaNetwork.seeded(chosen.network, chosen.environment, seed=0)
    write_tensors(pretrain / "policy.safetensors", network.state_dict())
    run = run_of(folder, "collect", pretrain=pretrain)
    collect(chosen, run)
    return {"pretrain": pretrain, "collect": run.output}
