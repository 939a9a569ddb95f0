"""A small AppleRetrieval experiment and its runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fpc.domains.apple_retrieval.config import AppleRetrievalExperiment
from fpc.domains.apple_retrieval.domain import DOMAIN
from fpc.retention.registry import load_method
from fpc.workflow.run import Run

OPTIONS: dict[str, dict[str, Any]] = {
    "scratch": {},
    "vanilla": {},
    "behavioral_cloning": {"coefficient": 100.0, "batch_size": 20},
    "kickstarting": {"coefficient": 100.0},
    "ewc": {"coefficient": 100.0, "fisher_samples": 20, "fisher_floor": 1e-5},
}
CONDITIONS = [
    {"distance": 10, "signal": 0.5},
    {"distance": 30, "signal": 0.5},
    {"distance": 30, "signal": 0.25},
]


def experiment(
    conditions: Sequence[dict[str, float]] = CONDITIONS, updates: int = 40
) -> AppleRetrievalExperiment:
    learning = {"initial_range": 0.1, "learning_rate": 1e-3, "gamma": 1.0, "episodes_per_update": 10}
    return AppleRetrievalExperiment.model_validate(
        {
            "domain": "apple_retrieval",
            "seeds": 3,
            "seeds_per_run": 3,
            "pretrain_per_seed": True,
            "environment": {"max_steps": 100, "conditions": list(conditions)},
            "pretrain": {**learning, "updates": 100},
            "collect": {"states": 50},
            "finetune": {**learning, "updates": updates, "milestones": 4, "online_observations": 50},
            "evaluate": {"episodes": 5},
        }
    )


def make_run(folder: Path, phase: str, method: str | None = None, seeds: tuple[int, ...] = (0, 1, 2)) -> Run:
    home = folder / phase / (method or "all")
    finetuned = {"finetune": folder / "finetune" / method / "output"} if method else {}
    parents = {name: folder / name / "all" / "output" for name in ("pretrain", "collect")} | finetuned
    run = Run(
        scale="tiny",
        experiment="apple_retrieval",
        phase=phase,
        method=method,
        seeds=seeds,
        state=home / "state",
        output=home / "output",
        parents={} if (phase, method) == ("finetune", "scratch") else parents,
    )
    for path in (run.state, run.output):
        path.mkdir(parents=True, exist_ok=True)
    return run


def prepare(folder: Path, section: AppleRetrievalExperiment, seeds: tuple[int, ...] = (0, 1, 2)) -> None:
    DOMAIN.pretrain(section, make_run(folder, "pretrain", seeds=seeds))
    DOMAIN.collect(section, make_run(folder, "collect", seeds=seeds))


def finetune(
    folder: Path, section: AppleRetrievalExperiment, method: str, seeds: tuple[int, ...] = (0, 1, 2)
) -> Path:
    run = make_run(folder, "finetune", method, seeds)
    DOMAIN.finetune(section, method, load_method(method).Options(**OPTIONS[method]), run)
    return run.output


def evaluate(folder: Path, section: AppleRetrievalExperiment, method: str) -> Path:
    run = make_run(folder, "evaluate", method)
    DOMAIN.evaluate(section, method, load_method(method).Options(**OPTIONS[method]), run)
    return run.output / "episodes.parquet"
