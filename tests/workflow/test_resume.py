"""A killed training run, resumed by the same command, ends with bit-identical weights."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fpc.core.files import read_json
from fpc.lineage.manifest import read

ROOT = Path(__file__).resolve().parents[2]
FPC = Path(sys.executable).parent / "fpc"
RUN = ["--scale=small", "--experiment=robotic_sequence"]


def prepare(project: Path) -> None:
    shutil.copytree(ROOT / "configs", project / "configs")
    shutil.copy(ROOT / "tests" / "small.yaml", project / "configs" / "small.yaml")
    path = project / "configs" / "small.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("steps: 480\n", "steps: 2400\n"), encoding="utf-8")


def fpc(project: Path, *arguments: str) -> None:
    subprocess.run([FPC, *arguments, *RUN], cwd=project, check=True, capture_output=True, timeout=300)


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with pi* of RoboticSequence and its expert data."""
    project = tmp_path_factory.mktemp("project")
    prepare(project)
    fpc(project, "pretrain")
    fpc(project, "collect")
    return project


def test_killed_run_continues_to_the_same_bits(pretrained: Path, tmp_path: Path) -> None:
    killed = tmp_path / "killed"
    shutil.copytree(pretrained, killed)
    method = "--method=behavioral_cloning"
    fpc(pretrained, "finetune", method)
    environment = {**os.environ, "FPC_CHECKPOINT_SECONDS": "0.2"}
    process = subprocess.Popen(
        [FPC, "finetune", method, *RUN],
        cwd=killed,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 240
    while not list(killed.glob("results/.runs/*/state/**/checkpoint_*.json")):
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    place = Path("results/small/robotic_sequence/finetune/behavioral_cloning/seed_0/manifest.json")
    assert not (killed / place).exists()
    (record,) = killed.glob("results/.runs/*/run.json")
    assert len(read_json(record)["attempts"]) == 1
    fpc(killed, "finetune", method)
    whole, continued = read(pretrained / place), read(killed / place)
    assert continued.details["metadata"]["attempts"] == 2
    assert 0 < continued.details["metadata"]["resumed_from_step"] < 2400
    assert len(whole.subjects) > 3
    weights = {name: digest for name, digest in whole.subjects.items() if name.endswith(".safetensors")}
    assert weights == {name: continued.subjects[name] for name in weights}
    assert not list(killed.glob("results/.runs/*"))
