"""Two people of a group, who are not root, work in one checkout."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.workflow.chain import BIN, ROOT, environment

ALICE, BOB, GROUP = 61_001, 61_002, 61_000  # no names are needed
TARGET = Path("results/tiny/two_state_mdp/collect/seed_0/manifest.json")
PARENT = Path("results/tiny/two_state_mdp/pretrain/seed_0/manifest.json")
SNAKEMAKE = ("snakemake", "--profile", "workflow/profiles/local", "--config", "scale=tiny", "--", TARGET)
PRETRAIN = ("fpc", "pretrain", "--scale=tiny", "--experiment=two_state_mdp")
COLLECT = ("fpc", "collect", "--scale=tiny", "--experiment=two_state_mdp")

# Reading is allowed everywhere, because the interpreter may be in root's home.
READER = ["--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"]


def can_be_others() -> bool:
    """Whether this user may act as others; a container may keep that from root, too."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        return False
    words = ["setpriv", "--reuid", str(ALICE), "--regid", str(GROUP), "--clear-groups", *READER, "true"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


pytestmark = pytest.mark.skipif(not can_be_others(), reason="only root can be two users")


@pytest.fixture
def shared(project: Path) -> Path:
    """A checkout of Alice's that the group may write to."""
    os.chown(project, ALICE, GROUP)
    for path in project.rglob("*"):
        os.chown(path, ALICE, GROUP, follow_symlinks=False)
    for folder in [project, *(path for path in project.rglob("*") if path.is_dir())]:
        folder.chmod(0o2775)
    return project


def run(
    user: int, project: Path, mask: str, command: str, *words: str | Path
) -> subprocess.CompletedProcess[str]:
    """A command as a user, who may read everything."""
    home = project / f".home{user}"
    if not home.exists():
        home.mkdir()
        os.chown(home, user, GROUP)
    who = ["setpriv", "--reuid", str(user), "--regid", str(GROUP), "--clear-groups", *READER]
    own = {"HOME": str(home), "XDG_CACHE_HOME": str(home), "USER": str(user)}
    settings = environment(project, ROOT / "src") | own
    return subprocess.run(
        ["sh", "-c", f'umask {mask}; exec "$@"', "sh", *who, BIN / command, *words],
        cwd=project, env=settings, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_what_one_made_another_continues(shared: Path) -> None:
    made = run(ALICE, shared, "002", *PRETRAIN)
    assert made.returncode == 0, made.stderr
    os.utime(shared / PARENT)  # only its owner may set the time that its content says
    continued = run(BOB, shared, "002", *SNAKEMAKE)
    assert continued.returncode == 0, continued.stderr
    assert re.search(r"^total +1$", continued.stdout + continued.stderr, re.MULTILINE), continued.stderr
    assert (shared / TARGET).stat().st_uid == BOB
    for path in (shared / "results").rglob("*"):
        assert path.stat().st_mode & 0o020, f"{path} cannot be written by the group"
    assert "Nothing to be done" in run(ALICE, shared, "002", *SNAKEMAKE).stderr


def test_without_permission_nothing_is_begun(shared: Path) -> None:
    made = run(ALICE, shared, "022", *PRETRAIN)
    assert made.returncode == 0, made.stderr
    for path in [shared, *shared.rglob("*")]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~0o022)
    words = f"belongs to user {ALICE}, and you are user {BOB}; docs/how-to/share-a-checkout.md says how"
    for command, code in ((SNAKEMAKE, 2), (COLLECT, 1)):
        finished = run(BOB, shared, "022", *command)
        assert finished.returncode == code, finished.stderr
        assert words in finished.stderr
        assert "Traceback" not in finished.stderr
    for reading, code in (("status", 0), ("plan", 0), ("audit verify", 3), ("config check", 0)):
        finished = run(BOB, shared, "022", "fpc", *reading.split(), "--scale=tiny")
        assert (finished.returncode, finished.stderr) == (code, ""), finished.stderr + finished.stdout


def test_what_sudo_left_says_how_to_get_it_back(shared: Path) -> None:
    for folder in ("results", "results/tiny"):
        (shared / folder).mkdir()
    finished = run(ALICE, shared, "022", *PRETRAIN)
    assert (finished.returncode, finished.stderr.count("\n")) == (1, 1), finished.stderr
    assert (
        "results/tiny belongs to root; work in a clone of your own or, if a command with sudo made it"
        in finished.stderr
    )
    assert finished.stderr.endswith(f"sudo chown -R {ALICE}:{GROUP} {shared}\n")
