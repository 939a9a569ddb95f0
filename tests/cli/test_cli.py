"""The command line: help, error messages, and states of runs read from files."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from fpc.core.errors import TEMPORARY
from fpc.core.files import digest_of, read_json, sha256_of, write_json, write_tensors
from fpc.lineage.artifact import PHASES, Row
from fpc.lineage.manifest import read
from fpc.workflow.loader import load
from fpc.workflow.phases.pretrain import pretrain
from fpc.workflow.run import RUNS, STATE_FORMAT, RunError, RunHeld, forget, open_run, run_digest
from fpc.workflow.run_table import section_of
from fpc.workflow.status import run_states, status_text

FPC = Path(sys.executable).parent / "fpc"
ROW = Row("tiny", "pretrain", "two_state_mdp", seeds=(0,))


def fpc(*arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([FPC, *arguments], cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("verb", PHASES)
def test_every_phase_has_help(verb: str) -> None:
    finished = fpc(verb, "--help")
    assert finished.returncode == 0
    assert "--scale" in finished.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--experiment=robotic_sequence", "--method=emc"], ["unknown method 'emc'", "Did you mean 'ewc'?"]),
        (["--experiment=robotic", "--method=ewc"], ["unknown experiment", "robotic_sequence"]),
        (["--experiment=robotic_sequence", "--method=ewc", "--seeds=99"], ["no finetune run with seeds 99"]),
        (["--experiment=robotic_sequence", "--method=ewc", "--seeds=x"], ["--seeds=x", "0-19"]),
        (["--experiment=robotic_sequence", "--method=ewc", "--seeds=0-"], ["--seeds=0-", "0-19"]),
        (["--experiment=robotic_sequence", "--method=ewc", "--seeds=3-1"], ["--seeds=3-1", "0-19"]),
        (["--experiment=robotic_sequence", "--method=ewc", "--scale=papr"], ["Did you mean 'paper'?"]),
    ],
)
def test_wrong_arguments_end_with_code_2_and_one_message(
    project: Path, arguments: list[str], words: list[str]
) -> None:
    scale = [] if any("--scale" in argument for argument in arguments) else ["--scale=paper"]
    finished = fpc("finetune", *scale, *arguments, folder=project)
    assert finished.returncode == 2, finished.stderr
    assert "Traceback" not in finished.stderr
    for word in words:
        assert word in finished.stderr
    assert not (project / "results").exists()


def test_a_missing_parent_names_the_command_that_makes_it(project: Path) -> None:
    finished = fpc("collect", "--scale=tiny", "--experiment=two_state_mdp", folder=project)
    assert finished.returncode == 1
    assert "fpc pretrain --scale=tiny --experiment=two_state_mdp --seeds=0" in finished.stderr


def test_a_phase_that_asks_for_a_gpu_stops_before_it_reads_anything_where_there_is_none(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (project / "configs" / "tiny.yaml").open("a", encoding="utf-8") as file:
        file.write("plan: {jobs: {montezuma: {collect: {gpus: 1}}}}\n")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    finished = fpc("collect", "--scale=tiny", "--experiment=montezuma", folder=project)  # without its parent
    assert finished.returncode == 1
    assert finished.stderr.startswith("fpc: plan.jobs.montezuma.collect.gpus asks for a GPU, but ")
    assert not (project / "results").exists()


def test_an_altered_parent_is_rejected(project: Path) -> None:
    pretrain(load("tiny"), "two_state_mdp", (0,))
    with (ROW.folder / "policy.safetensors").open("ab") as file:
        file.write(b"x")
    finished = fpc("collect", "--scale=tiny", "--experiment=two_state_mdp", folder=project)
    assert finished.returncode == 1
    assert "policy.safetensors is not the file that was made" in finished.stderr


@pytest.mark.usefixtures("project")
def test_the_manifest_names_the_devices_that_all_attempts_used_in_whichever_process() -> None:
    section = {"a": 1}
    unfinished = pytest.raises(RunError, match="the phase wrote no files")
    with unfinished, open_run(ROW, section, [], "cuda") as run:
        run.note_device("NVIDIA A100-SXM4-40GB")
    with open_run(ROW, section, [], "cuda") as run:
        assert run.device == "cuda"
        run.note_device("NVIDIA H100 PCIe")
        run.note_device("NVIDIA H100 PCIe")
        write_tensors(run.output / "policy.safetensors", {"x": torch.zeros(1)})
    machine = read(ROW.manifest).statement["predicate"]["runDetails"]["machine"]
    assert machine["device"] == "NVIDIA A100-SXM4-40GB, NVIDIA H100 PCIe"


@pytest.mark.usefixtures("project")
def test_a_second_process_on_the_same_run_is_rejected() -> None:
    configuration = load("tiny")
    section = section_of(configuration, ROW)

    def again() -> None:
        with open_run(ROW, section, []):
            pass

    with open_run(ROW, section, []) as run:
        (run.output / "file.txt").write_text("made", encoding="utf-8")
        with pytest.raises(RunHeld, match="another process is working") as refused:
            again()
    assert (ROW.folder / "file.txt").read_text(encoding="utf-8") == "made"
    assert refused.value.exit_code == TEMPORARY  # a cluster may start it again


@pytest.mark.usefixtures("project")
def test_a_run_that_another_process_takes_over_keeps_its_state(monkeypatch: pytest.MonkeyPatch) -> None:
    section = section_of(load("tiny"), ROW)
    taken: list[FileLock] = []

    class Lock(FileLock):
        """A lock that another process takes as soon as it is released."""

        def release(self, force: bool = False) -> None:
            held = self.is_locked
            super().release(force)
            if held and not taken:
                taken.append(FileLock(self.lock_file))
                taken[0].acquire(timeout=0)
                other = Path(self.lock_file).with_name("state") / "checkpoint"
                other.parent.mkdir(exist_ok=True)
                other.write_text("of the other", encoding="utf-8")

    for close in ("publish", "forget"):
        taken.clear()
        monkeypatch.setattr("fpc.workflow.run_lock.FileLock", Lock if close == "publish" else FileLock)
        with open_run(ROW, section, []) as run:
            (run.output / "file.txt").write_text("made", encoding="utf-8")
        if close == "forget":
            run.state.mkdir(parents=True)
            monkeypatch.setattr("fpc.workflow.run_lock.FileLock", Lock)
            forget(ROW, section, [])
        assert (run.state / "checkpoint").read_text(encoding="utf-8") == "of the other"
        with pytest.raises(RunError, match="another process is working"), open_run(ROW, section, []):
            pass
        taken[0].release()
        forget(ROW, section, [])
        assert not run.state.parent.exists()


@pytest.mark.usefixtures("project")
def test_a_failed_run_publishes_nothing_and_keeps_its_state() -> None:
    section = section_of(load("tiny"), ROW)

    def fail() -> None:
        with open_run(ROW, section, []) as run:
            (run.state / "checkpoint").write_text("kept", encoding="utf-8")
            raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        fail()
    assert not ROW.folder.exists()
    with open_run(ROW, section, []) as run:
        assert run.attempt == 2
        assert read_json(run.state.parent / "run.json")["attempts"][0]["how"] == "OSError: no space left"
        assert (run.state / "checkpoint").read_text(encoding="utf-8") == "kept"
        (run.output / "file.txt").write_text("made", encoding="utf-8")
    assert not run.state.parent.exists()


@pytest.mark.usefixtures("project")
def test_state_of_another_format_is_not_continued(monkeypatch: pytest.MonkeyPatch) -> None:
    configuration = load("tiny")
    section = section_of(configuration, ROW)

    def attempt() -> None:
        with open_run(ROW, section, []) as run:
            assert not list(run.state.iterdir())
            (run.state / "checkpoint").write_text("kept", encoding="utf-8")
            raise OSError("no space left")

    for state_format in (STATE_FORMAT, STATE_FORMAT + 1):
        monkeypatch.setattr("fpc.workflow.run.STATE_FORMAT", state_format)
        with pytest.raises(OSError, match="no space left"):
            attempt()
    assert len(list(RUNS.glob("*/state/checkpoint"))) == 2


@pytest.mark.usefixtures("project")
def test_a_parent_made_again_meanwhile_is_not_named_as_the_one_that_was_read() -> None:
    configuration = load("tiny")
    child = Row("tiny", "collect", "two_state_mdp", seeds=(0,))
    section = section_of(configuration, child)
    pretrain(configuration, "two_state_mdp", (0,))

    def read_by_child(meanwhile: Callable[[], None]) -> None:
        with open_run(child, section, [ROW]) as run:
            (run.output / "file.txt").write_text("made", encoding="utf-8")
            meanwhile()

    def again() -> None:
        ROW.manifest.unlink()
        pretrain(configuration, "two_state_mdp", (0,))

    with pytest.raises(RunError, match=r"its parent was made again while it ran .*; run it again"):
        read_by_child(again)
    assert not child.folder.exists()
    read_by_child(lambda: None)
    assert read(child.manifest).parents == {ROW.manifest.as_posix(): sha256_of(ROW.manifest)}


@pytest.mark.usefixtures("project")
def test_status_distinguishes_waiting_running_interrupted_failed_and_done() -> None:
    configuration = load("tiny")

    def state() -> str:
        return next(item.state for item in run_states(configuration) if item.row == ROW)

    assert state() == "waiting"
    folder = RUNS / run_digest(ROW, digest_of(section_of(configuration, ROW)), [])
    now = datetime.now(UTC)
    record = {"row": ROW.identity, "attempts": [{"started": now.isoformat(), "process": 1}]}
    write_json(folder / "run.json", record)
    assert state() == "running"
    old = (now - timedelta(hours=1)).isoformat()
    write_json(folder / "run.json", {**record, "attempts": [{"started": old, "process": 1}]})
    progress = {"time": old, "step": 50, "total": 200, "steps_per_second": 10.0, "metrics": {"return": 2.0}}
    write_json(folder / "progress.json", progress)
    assert state() == "interrupted"
    write_json(folder / "progress.json", {**progress, "time": now.isoformat()})
    item = next(item for item in run_states(configuration) if item.row == ROW)
    assert (item.state, item.seconds_left, item.last_return, item.attempts) == ("running", 15.0, 2.0, 1)
    line = status_text([item]).splitlines()[1]
    assert re.search(r"running +50/200 +25 +10 +0m15s +2 +1 +\d+m\d\ds ago$", line)
    for how, expected in (("stopped by SIGINT", "interrupted"), ("OSError: no room", "failed")):
        attempt = {"started": now.isoformat(), "process": 1, "ended": now.isoformat(), "how": how}
        write_json(folder / "run.json", {**record, "attempts": [attempt]})
        assert state() == expected
        (item,) = [item for item in run_states(configuration) if item.row == ROW]
        assert f"pretrain two_state_mdp seed_0: {how}" in status_text([item])
    for path in folder.iterdir():
        path.unlink()
    pretrain(configuration, "two_state_mdp", (0,))
    assert state() == "done"


def test_status_as_json(project: Path) -> None:
    finished = fpc("status", "--scale=tiny", "--json", folder=project)
    states = json.loads(finished.stdout)["runs"]
    assert {item["state"] for item in states} == {"waiting"}
    assert states[0]["experiment"] == "two_state_mdp"


def test_watched_status_is_repeated_until_stopped(project: Path) -> None:
    words = [FPC, "status", "--scale=tiny", "--watch=0.2"]
    process = subprocess.Popen(words, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    seen = 0
    for line in process.stdout:
        seen += line.startswith("run ")
        if seen == 3:
            process.send_signal(signal.SIGINT)
            break
    process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGINT


def test_explain_accepts_any_path_in_the_project(project: Path) -> None:
    finished = fpc("explain", str(project / "results/tiny/two_state_mdp/pretrain/seed_0"), folder=project)
    assert finished.returncode == 0, finished.stderr
    assert "would be made" in finished.stdout
    outside = fpc("explain", "/nowhere", folder=project)
    assert (outside.returncode, outside.stderr.count("\n")) == (2, 1)


def test_a_figure_that_variants_draw_names_them(project: Path) -> None:
    finished = fpc("figure", "--scale", "laptop", "--name", "figure_13", folder=project)
    assert finished.returncode == 2
    assert finished.stderr == (
        "fpc: scale laptop: figure_13 is drawn by a variant only; choose variant figure_13.\n"
    )
    unknown = fpc("figure", "--scale", "laptop", "--name", "figure_99", folder=project)
    assert "unknown figure 'figure_99'" in unknown.stderr


def test_an_audit_of_results_that_are_away_says_so(project: Path) -> None:
    (project / "results").symlink_to("/nowhere")
    finished = fpc("audit", "verify", folder=project)
    assert finished.returncode == 2
    assert finished.stderr.startswith(
        "fpc: results is a link to /nowhere, which is not there; mount that disk"
    )
