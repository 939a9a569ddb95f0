"""Third-party inputs: a missing one is found before any job starts, and no job downloads it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.workflow.chain import command_in

from fpc.core.files import sha256_of, write_json
from fpc.domains.nethack.config import SourceOptions
from fpc.domains.nethack.downloads import DownloadError
from fpc.domains.nethack.external_inputs import EXTERNAL, INPUTS, LOCK
from fpc.domains.nethack.sources import obtain_games
from fpc.workflow.inputs import missing_inputs, missing_text, needed_inputs, unmade_jobs
from fpc.workflow.loader import load

COMMANDS = (
    "fpc fetch tuyls_lstm",
    "fpc import-policy data/external/tuyls_lstm/model_115.tar data/external/nethack_pi_star.safetensors",
    "fpc fetch nld_aa",
)


def fetched(name: str) -> None:
    """Leave behind what ``fpc fetch`` would, without the contents."""
    pins = {file.name: {"url": file.url, "bytes": 1, "sha256": "a" * 64} for file in INPUTS[name].files}
    lock = json.loads(LOCK.read_text(encoding="utf-8")) if LOCK.exists() else {}
    write_json(LOCK, {**lock, name: pins})
    (EXTERNAL / name).mkdir(parents=True)
    write_json(EXTERNAL / name / "fetched.json", dict.fromkeys(pins, "a" * 64))


def test_paper_needs_weights_and_recordings_and_the_small_scales_nothing(project: Path) -> None:
    paper = load("paper")
    missing = missing_inputs(paper, unmade_jobs(paper))
    assert [(item.name, item.phases) for item in missing] == [
        ("nethack_pi_star", ("pretrain",)),
        ("nld_aa", ("collect", "finetune")),
    ]
    assert tuple(command for item in missing for command in item.commands) == COMMANDS
    assert missing_inputs(paper, [("nethack", "evaluate"), ("montezuma", "finetune"), (None, "claims")]) == []
    for scale in ("demo", "laptop"):
        configuration = load(scale)
        assert not any(needed_inputs(configuration, configuration.experiments).values())


def test_each_input_that_arrives_is_no_longer_asked_for(project: Path) -> None:
    fetched("tuyls_lstm")
    paper = load("paper")
    text = missing_text("paper", missing_inputs(paper, unmade_jobs(paper)))
    assert "fpc fetch tuyls_lstm" not in text
    assert COMMANDS[1] in text
    fetched("nld_aa")
    weights = EXTERNAL / "nethack_pi_star.safetensors"
    weights.write_bytes(b"weights")
    write_json(weights.with_suffix(".json"), {"sha256": sha256_of(weights)})
    assert missing_inputs(paper, unmade_jobs(paper)) == []
    weights.write_bytes(b"others")
    (altered,) = missing_inputs(paper, unmade_jobs(paper))
    assert altered.problem == f"is not the file that {weights.with_suffix('.json')} describes"
    assert altered.commands == (COMMANDS[1],)


def test_a_part_or_another_version_of_the_recordings_is_not_enough(project: Path) -> None:
    fetched("nld_aa")
    done = EXTERNAL / "nld_aa" / "fetched.json"
    parts = json.loads(done.read_text(encoding="utf-8"))
    write_json(done, {**parts, "nld-aa-dir-ac.zip": "b" * 64})
    (item,) = missing_inputs(load("paper"), [("nethack", "collect")])
    assert item.problem == f"nld-aa-dir-ac.zip is not the file pinned in {LOCK}"
    write_json(done, {"nld-aa-dir-aa.zip": "a" * 64})
    (item,) = missing_inputs(load("paper"), [("nethack", "collect")])
    assert item.problem == "incomplete, 15 of 16 files are missing"


def test_snakemake_stops_before_the_first_job_and_lists_all_missing_inputs(project: Path) -> None:
    finished = command_in(project, "snakemake", "--cores", "1", "--config", "scale=paper")
    assert finished.returncode == 1
    error = finished.stderr[finished.stderr.index("WorkflowError") :]
    assert all(error.count(f"    {command}\n") == 1 for command in COMMANDS)
    assert "Traceback" not in finished.stderr
    assert not list((project / "results").glob("paper*"))
    assert not list((project / "results" / ".logs").rglob("*.log"))


def test_a_dry_run_and_the_plan_can_be_seen_without_the_data(project: Path) -> None:
    for command in (
        ("snakemake", "--cores", "1", "--dry-run", "--quiet", "all", "--config", "scale=paper"),
        ("fpc", "plan", "--scale", "paper"),
    ):
        finished = command_in(project, *command)
        assert finished.returncode == 0, finished.stderr
        assert all(text in finished.stderr for text in COMMANDS)


def test_the_other_domains_do_not_need_them(project: Path) -> None:
    target = "results/paper/two_state_mdp/pretrain/seed_0/manifest.json"
    finished = command_in(project, "snakemake", "--cores", "1", target, "--config", "scale=paper")
    assert finished.returncode == 0, finished.stderr
    assert (project / target).exists()


@pytest.mark.parametrize("phase", ["pretrain", "collect"])
def test_a_phase_fails_at_once_with_the_commands(project: Path, phase: str) -> None:
    finished = command_in(project, "fpc", phase, "--scale", "paper", "--experiment", "nethack")
    assert finished.returncode == 1
    assert finished.stderr.startswith(f"fpc: {phase} nethack seed_0 is to be made from")
    assert (COMMANDS[2] in finished.stderr) == (phase == "collect")
    assert not (project / "results").exists()


def test_obtaining_games_downloads_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("a request to the network")

    monkeypatch.setattr("requests.sessions.Session.request", refuse)
    source = SourceOptions(kind="nld_aa_taster", games=1, max_steps=1)
    environment = load("paper").experiments["nethack"].environment  # type: ignore[attr-defined]
    with pytest.raises(DownloadError, match="missing; run: fpc fetch nld_aa_taster"):
        obtain_games(source, environment, seed=0, folder=project, state=project, report=lambda done: None)
