"""Sizes that `fpc plan` computes are those of files that the domains write."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.domains.montezuma import phases
from tests.domains.nethack.recorded_games import ALL_GAMES, record
from tests.domains.nethack.test_collecting import make_run
from tests.workflow.chain import ROOT

from fpc.config.experiment import Experiment
from fpc.core.milestones import milestone_path
from fpc.domains.finetuning import EXPERT, Finetuning
from fpc.domains.footprint import TABLES
from fpc.domains.nethack.collecting import DIVERGENCE_FILE, Replay
from fpc.domains.nethack.config import NetHackExperiment
from fpc.domains.nethack.finetuning import milestone_writer
from fpc.domains.nethack.network import NetHackNetwork
from fpc.domains.nethack.recordings import index_recordings
from fpc.domains.registry import load_domain
from fpc.lineage.manifest import read
from fpc.retention.registry import load_method
from fpc.workflow.loader import load


def laptop(experiment: str) -> Experiment:
    return load("laptop", folder=ROOT / "configs").experiments[experiment]


def footprint(section: Experiment, phase: str) -> int:
    """Bytes of a run of a phase, without its tables."""
    return load_domain(section.domain).footprint(section, phase).bytes - TABLES


@pytest.mark.parametrize("experiment", ["robotic_sequence", "montezuma"])
def test_milestones_are_whole_policies(experiment: str, tmp_path: Path) -> None:
    section = laptop(experiment)
    domain = load_domain(section.domain)
    domain.trial(section, tmp_path)  # writes an untrained pi*
    weights = sum(path.stat().st_size for path in tmp_path.iterdir())
    found = domain.footprint(section, "finetune")
    milestones = len(section.finetune.milestones())  # type: ignore[attr-defined]
    assert (found.bytes - TABLES) / milestones == pytest.approx(weights, rel=0.02)  # files have a header, too
    assert found.files == milestones + 2
    assert found.checkpoints > 2 * weights


def test_nethacks_milestones_hold_what_methods_change(tmp_path: Path) -> None:
    """The mean over the methods, one of which trains from scratch."""
    section = laptop("nethack")
    assert isinstance(section, NetHackExperiment)
    load_domain("nethack").trial(section, tmp_path / "pretrain")
    weights = NetHackNetwork.seeded(section.network, 0).state_dict()
    trained = {name: value + 1 for name, value in weights.items() if name.startswith(("core.", "policy."))}
    steps = section.finetune.milestones()
    methods = ("scratch", "vanilla", "behavioral_cloning", "kickstarting", "ewc")
    sizes = []
    for name in methods:
        run = replace(make_run(tmp_path, "finetune", name), method=name)
        options = load_method(name).Options.model_construct(steps=None)
        write = milestone_writer(Finetuning.of(run, name, options, section.finetune.steps))
        for step in steps:
            head = {"baseline.weight": weights["baseline.weight"] + 1 + step}
            write(step, weights | head | (trained if step else {}), {})
            sizes.append(milestone_path(run.output, step).stat().st_size)
    assert max(sizes) > 4 * sizes[-1], "most of a network of this size is its encoder"
    found = load_domain("nethack").footprint(section, "finetune")
    assert found.bytes - TABLES == pytest.approx(sum(sizes) / len(methods), rel=0.02)
    assert found.files == len(steps) + 2
    assert found.checkpoints > 2 * max(sizes)


def test_nethacks_expert_data_take_what_the_plan_says(tmp_path: Path) -> None:
    section = laptop("nethack")
    assert isinstance(section, NetHackExperiment)
    load_domain("nethack").trial(section, tmp_path / "pretrain")
    steps, games = 100, 4
    record(tmp_path / "games" / "monks", range(games), steps=steps)
    recordings = index_recordings(tmp_path / "games", tmp_path / "games.db", ALL_GAMES)
    run = make_run(tmp_path, "collect")
    replay = Replay(section, run)
    replay.write_stored(recordings)
    replay.write_divergence(recordings)
    written = sum((run.output / name).stat().st_size for name in (EXPERT, DIVERGENCE_FILE))
    source = section.pretrain.source.model_copy(update={"max_steps": steps})
    changes = {"transitions": games * steps, "source": source, "divergence_games": games}
    chosen = section.model_copy(update={"collect": section.collect.model_copy(update=changes)})
    assert footprint(chosen, "collect") == pytest.approx(written, rel=0.02)


def test_montezumas_expert_data_take_what_the_plan_says(project: Path) -> None:
    """It is enough and at most three times too much: how far screens shrink depends on what pi* sees.

    Here a policy that has learned nothing sees little from four start states.
    """
    section = laptop("montezuma")
    environment = section.environment.model_dump() | {"start_room": None}  # type: ignore[attr-defined]
    chosen = phases.experiment(
        environment=environment, collect={"trajectories": 24, "states": 600, "max_steps": 300}
    )
    made = phases.collected(chosen, project)
    written = (made["collect"] / EXPERT).stat().st_size
    assert written < footprint(chosen, "collect") < 3 * written


def test_robotics_expert_data_take_what_the_plan_says() -> None:
    """Those of the committed results, as their manifest records them."""
    manifest = read(ROOT / "results" / "laptop" / "robotic_sequence" / "collect" / "seed_0" / "manifest.json")
    (size,) = (item["size"] for item in manifest.statement["subject"] if item["name"] == EXPERT)
    assert footprint(laptop("robotic_sequence"), "collect") == pytest.approx(int(size), rel=0.2)
