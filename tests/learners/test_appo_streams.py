"""The random streams of APPO's runs: those of two phases with the same seed have nothing in common."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from fpc.core.seeds import seed_of, stream_of
from fpc.domains.finetuning import run_fields
from fpc.domains.montezuma import factories as montezuma
from fpc.domains.montezuma.config import MontezumaExperiment
from fpc.domains.nethack import factories as nethack
from fpc.domains.nethack.config import NetHackExperiment
from fpc.learners.appo.job import Job
from fpc.workflow.loader import load
from fpc.workflow.run import Run

ROOT = Path(__file__).resolve().parents[2]
EXPERIMENTS = load("demo", None, ROOT / "configs").experiments
ENVIRONMENTS, EPISODES = 3, 3


def nethack_job(folder: Path, phase: str, word: str | None = None) -> Job:
    experiment = EXPERIMENTS["nethack"]
    assert isinstance(experiment, NetHackExperiment)
    run = Run("demo", "nethack", phase, None, (0,), folder, folder)
    fields: dict[str, Any] = run_fields(run, phase=word) | {"steps": 1}
    return nethack.specification_of(experiment, experiment.finetune.appo, **fields).job()


def montezuma_job(folder: Path, phase: str, word: str | None = None) -> Job:
    experiment = EXPERIMENTS["montezuma"]
    assert isinstance(experiment, MontezumaExperiment)
    run = Run("demo", "montezuma", phase, None, (0,), folder, folder)
    fields: dict[str, Any] = run_fields(run, phase=word) | {"steps": 1}
    options = experiment.finetune
    return montezuma.specification_of(experiment, options.appo, options.rnd, **fields).job()


def seeds_played(job: Job) -> list[int]:
    """The seeds of the games that NetHack's environments play."""
    found = []
    for index in range(ENVIRONMENTS):
        environment: Any = job.make_environment(index)
        for _ in range(EPISODES):
            environment.reset()
            found.append(environment.snapshot()["seed"])
        environment.close()
    return found


def test_the_games_of_critic_and_fine_tuning_differ(tmp_path: Path) -> None:
    critic = seeds_played(nethack_job(tmp_path, "pretrain", "critic"))
    finetune = seeds_played(nethack_job(tmp_path, "finetune"))
    assert len({*critic, *finetune}) == 2 * ENVIRONMENTS * EPISODES
    expected = [
        seed_of(*stream_of(0, "critic"), index, episode)
        for index in range(ENVIRONMENTS)
        for episode in range(EPISODES)
    ]
    assert critic == expected
    assert seeds_played(nethack_job(tmp_path, "finetune")) == finetune  # of every method


@pytest.mark.parametrize("make", [nethack_job, montezuma_job])
def test_streams_of_phases_differ(tmp_path: Path, make: Any) -> None:
    phases = (("pretrain", None), ("pretrain", "critic"), ("pretrain", "expert"), ("finetune", None))
    jobs = [make(tmp_path, *phase) for phase in phases]
    for use in ("network", "sampling", "retention", "rnd", "warm-up"):
        assert len({job.seed_for(use) for job in jobs}) == len(jobs)
    first = [next(iter(job.make_network().parameters())) for job in jobs]
    assert not torch.equal(first[0], first[-1])


def test_montezumas_episodes_belong_to_the_phase(tmp_path: Path) -> None:
    streams = {}
    for phase in ("pretrain", "finetune"):
        environment: Any = montezuma_job(tmp_path, phase).make_environment(2)
        streams[phase] = environment.stream
        environment.close()
    assert streams == {phase: (*stream_of(0, phase), 2) for phase in ("pretrain", "finetune")}
