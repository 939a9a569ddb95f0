"""The commit in a manifest is the project's own, whatever repository or settings surround it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
AUTHOR = ("-c", "user.name=someone", "-c", "user.email=someone@example.org")


def git(folder: Path, *arguments: str) -> str:
    """What a git command prints in a folder."""
    command = ["git", "-C", folder, *AUTHOR, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def repository(folder: Path) -> str:
    """Make a repository with one commit of all files in a folder; the commit."""
    folder.mkdir(exist_ok=True)
    (folder / "notes.txt").write_text("notes\n", encoding="utf-8")
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "one")
    return git(folder, "rev-parse", "HEAD")


def unpacked(folder: Path) -> Path:
    """The project's package in a folder, as from a zip file."""
    for name in ("config", "core", "lineage"):
        shutil.copytree(ROOT / "src" / "fpc" / name, folder / "src" / "fpc" / name)
    for name in ("__init__.py", "extensions.py"):
        shutil.copy(ROOT / "src" / "fpc" / name, folder / "src" / "fpc" / name)
    return folder


def said(project: Path, **variables: str) -> tuple[dict[str, str], str]:
    """What a manifest made by this copy of the project says of its repository, and the warnings."""
    code = "import json; from fpc.lineage.origin import repository; print(json.dumps(repository()))"
    finished = subprocess.run(
        [sys.executable, "-c", code],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project / "src"), **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, str] = json.loads(finished.stdout)
    return found, finished.stderr


def recorded(project: Path, **variables: str) -> dict[str, str]:
    """What a manifest made by this copy of the project says of its repository."""
    return said(project, **variables)[0]


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """Another repository."""
    repository(tmp_path / "thesis")
    return tmp_path / "thesis"


@pytest.fixture
def checkout(tmp_path: Path) -> tuple[Path, str]:
    """A repository of the project, and its commit."""
    project = unpacked(tmp_path / "project")
    return project, repository(project)


def test_a_project_unpacked_inside_another_repository_has_no_commit(foreign: Path) -> None:
    project = unpacked(foreign / "project")
    assert recorded(project) == {}
    git(foreign, "add", ".")
    git(foreign, "commit", "--quiet", "--message", "with a copy of the project")
    assert recorded(project) == {}


def test_a_hook_of_another_repository_does_not_lend_its_commit(
    checkout: tuple[Path, str], foreign: Path
) -> None:
    project, commit = checkout
    variables = {
        "GIT_DIR": str(foreign / ".git"),
        "GIT_WORK_TREE": str(foreign),
        "GIT_INDEX_FILE": str(foreign / ".git" / "index"),
        "GIT_PREFIX": "",
    }
    assert recorded(project, **variables) == {"commit": commit}
    outside = unpacked(foreign.parent / "outside")
    assert recorded(outside, **variables) == {}


def test_uncommitted_changes_have_one_digest_whatever_the_settings_of_git(
    checkout: tuple[Path, str], tmp_path: Path
) -> None:
    project, commit = checkout
    changed = project / "src" / "fpc" / "__init__.py"
    changed.write_text("# π\n\n" + changed.read_text(encoding="utf-8"), encoding="utf-8")
    plain = recorded(project, GIT_CONFIG_GLOBAL="/dev/null")
    assert plain["commit"] == commit
    settings = tmp_path / "settings"
    for key, value in (
        ("diff.noprefix", "true"),
        ("diff.external", "true"),
        ("diff.context", "9"),
        ("diff.algorithm", "histogram"),
        ("color.ui", "always"),
    ):
        git(project, "config", "--file", str(settings), key, value)
    assert recorded(project, GIT_CONFIG_GLOBAL=str(settings)) == plain


def test_a_commit_that_git_cannot_tell_is_missed_aloud(checkout: tuple[Path, str], tmp_path: Path) -> None:
    project, commit = checkout
    assert said(project) == ({"commit": commit}, "")
    found, warning = said(project, PATH=str(tmp_path))
    assert (found, warning.count("\n")) == ({}, 1)
    assert "do not say from which commit: git is not installed" in warning


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a checkout to someone else")
def test_a_checkout_of_another_user_says_how_git_may_read_it(
    checkout: tuple[Path, str], tmp_path: Path
) -> None:
    project, commit = checkout
    own = {"GIT_CONFIG_GLOBAL": str(tmp_path / "gitconfig"), "GIT_CONFIG_NOSYSTEM": "1"}
    for path in (project, *project.rglob("*")):
        os.chown(path, 61_001, 61_001)
    found, warning = said(project, **own)
    assert (found, warning.count("\n")) == ({}, 1)
    assert f"run: git config --global --add safe.directory {project}" in warning
    (tmp_path / "gitconfig").write_text(f"[safe]\n\tdirectory = {project}\n", encoding="utf-8")
    assert said(project, **own) == ({"commit": commit}, "")
