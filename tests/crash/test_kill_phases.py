"""SIGKILL at random writes in the phases around training: the same command ends with the same files.

Real phases of each learner's domain: SAC's on Meta-World, APPO's on NetHack.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fpc.lineage.manifest import Manifest, read

ROOT = Path(__file__).resolve().parents[2]
SEED = 11  # of the random moments
KILLS = 2  # per phase
SCALES = {"small": "robotic_sequence", "dungeon": "nethack"}
PHASES = ("pretrain", "collect", "evaluate")
pytestmark = pytest.mark.slow


class Chain:
    """A project whose phases run one by one, each in a process that can be told when to die."""

    def __init__(self, folder: Path, scale: str) -> None:
        self.folder, self.scale = folder, scale
        if not folder.exists():
            shutil.copytree(ROOT / "configs", folder / "configs")
            shutil.copy(ROOT / "tests" / f"{scale}.yaml", folder / "configs")

    def artifact(self, phase: str) -> Path:
        method = ("vanilla",) if phase in ("finetune", "evaluate") else ()
        return self.folder.joinpath("results", self.scale, SCALES[self.scale], phase, *method, "seed_0")

    def run(self, phase: str, moment: str, method: str = "vanilla") -> tuple[int, str]:
        """Exit code and error output; checkpoints are written at every opportunity."""
        words = [phase, f"--scale={self.scale}", f"--experiment={SCALES[self.scale]}"]
        words += [f"--method={method}"] if phase in ("finetune", "evaluate") else []
        environment = {**os.environ, "FPC_CHECKPOINT_SECONDS": "0", "OMP_NUM_THREADS": "1"}
        finished = subprocess.run(
            [sys.executable, "-m", "tests.crash.faulty", moment, *words],
            cwd=self.folder,
            env={**environment, "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return finished.returncode, finished.stderr

    def before(self, phase: str, folder: Path) -> Chain:
        """A copy of this project in which ``phase`` is still to do."""
        shutil.copytree(self.folder, folder)
        copy = Chain(folder, self.scale)
        shutil.rmtree(copy.artifact(phase))
        return copy


@pytest.fixture(scope="module", params=list(SCALES))
def undisturbed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Chain, dict[str, int]]:
    """The undisturbed chain, and the number of files that each phase moved into place."""
    chain, moved = Chain(tmp_path_factory.mktemp("chain") / "project", request.param), {}
    for phase in ("pretrain", "collect", "finetune", "evaluate"):
        if phase == "evaluate":  # its step 0 is that of pi*, which is measured once
            code, said = chain.run(phase, "count", "pi_star")
            assert code == 0, said
        code, said = chain.run(phase, "count")
        assert code == 0, said
        (number,) = re.findall(r"moved (\d+) files", said)
        moved[phase] = int(number)
    return chain, moved


def comparable(manifest: Manifest) -> dict[str, str]:
    """Digests of files except NLE's recordings and their list, which contain the time and process ID.

    Of each game its record is compared: every action, metrics, levels.
    """
    subjects = manifest.subjects.items()
    return {
        name: digest for name, digest in subjects if not name.endswith((".bz2", ".xlogfile", "games.json"))
    }


@pytest.mark.parametrize("kill", range(KILLS))
@pytest.mark.parametrize("phase", PHASES)
def test_sigkill_at_a_random_write(
    undisturbed: tuple[Chain, dict[str, int]], phase: str, kill: int, tmp_path: Path
) -> None:
    chain, moved = undisturbed
    # The first write is run.json, the last moves the whole: before that nothing is published.
    number = random.Random(f"{SEED} {chain.scale} {phase}").sample(range(2, moved[phase] + 1), KILLS)[kill]
    disturbed = chain.before(phase, tmp_path / "project")
    code, said = disturbed.run(phase, f"before:*:{number}")
    assert code == -signal.SIGKILL, said
    assert not disturbed.artifact(phase).exists()
    code, said = disturbed.run(phase, "count")
    assert code == 0, said
    found = read(disturbed.artifact(phase) / "manifest.json")
    expected = comparable(read(chain.artifact(phase) / "manifest.json"))
    assert comparable(found) == expected
    assert expected
    assert found.details["metadata"]["attempts"] == 2
    assert not list(disturbed.folder.glob("results/.runs/*"))
    assert not list(disturbed.folder.rglob("*.tmp"))
