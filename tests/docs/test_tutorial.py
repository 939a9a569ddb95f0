"""The tutorial's commands, run in a fresh folder, make the files and print what the page shows."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.workflow.chain import BIN, ROOT

PAGE = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
COMMANDS = re.compile(r"^```sh\n(.*?)^```\n(.*?)(?=^```sh\n|\Z)", re.MULTILINE | re.DOTALL)


def section(number: int) -> str:
    """The text of a numbered section."""
    found = re.search(rf"^## {number}\. .*?\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"the tutorial has no section {number}"
    return found[1]


def give(commands: str) -> subprocess.CompletedProcess[str]:
    """Run commands in a shell in the current folder; stdout and stderr together."""
    environment = {
        **os.environ,
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "XDG_CACHE_HOME": str(Path(".cache").resolve()),
    }
    return subprocess.run(
        ["bash", "-c", commands],
        env={**environment, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=400,
        check=False,
    )


def promised(prose: str) -> tuple[str | None, int]:
    """The output and exit code that the page promises after the commands."""
    block = re.search(r"^```text\n(.*?)^```", prose, re.MULTILINE | re.DOTALL)
    line = re.search(r"^prints `([^`]*)`", prose, re.MULTILINE)
    shown = block or line
    code = re.search(r"The exit code is (\d)", prose)
    return shown[1].strip() if shown else None, int(code[1]) if code else 0


@pytest.mark.usefixtures("project")
def test_the_tutorial_is_true() -> None:
    compared = 0
    for number in (2, 3, 5):
        for commands, prose in COMMANDS.findall(section(number)):
            finished = give(commands)
            shown, code = promised(prose)
            assert finished.returncode == code, (commands, finished.stdout[-3000:])
            if shown is not None:
                count = shown.count("\n") + 1
                assert finished.stdout.strip().splitlines()[-count:] == shown.splitlines(), commands
                compared += 1
            if number == 2:
                assert not Path("results/demo").exists(), "the page says that nothing has been made yet"
            if number == 3:
                the_third_section_is_true(commands, prose, finished.stdout)
    assert compared == 3


def the_third_section_is_true(commands: str, prose: str, output: str) -> None:
    """The named jobs ran, a second run has nothing to do, and the listed files exist."""
    named = re.search(r"Five jobs run: (.*?)\.", prose, re.DOTALL)
    assert named
    assert sorted(re.findall(r"^(?:local)?rule (\w+):", output, re.MULTILINE)) == sorted(
        re.findall(r"`(\w+)`", named[1])
    )
    assert "answers `Nothing to be done`" in prose
    assert "Nothing to be done" in give(commands).stdout
    listed = re.search(r"^```text\n(.*?)^```", section(4), re.MULTILINE | re.DOTALL)
    assert listed
    for line in listed[1].splitlines():
        folder, *words = line.split()
        assert Path(folder).is_dir(), line
        for word in words:
            if "." in word or word.endswith("/"):
                assert (Path(folder) / word).exists(), line


@pytest.mark.usefixtures("project")
def test_an_idea_becomes_a_row() -> None:
    """Sections 7 to 9: a method of one's own, its plan, what is wrong with a broken one, and its verdict."""
    shutil.copytree(ROOT / "examples", "examples", dirs_exist_ok=True)
    commands = [(text, prose) for number in (6, 7, 8, 9) for text, prose in COMMANDS.findall(section(number))]
    chosen = [(text, prose) for text, prose in commands if "make reproduce" not in text and "dvc" not in text]
    assert len(commands) == len(chosen) + 2
    printed = []
    for text, prose in chosen:
        shown, code = promised(prose)
        finished = give(text)
        assert finished.returncode == code, (text, finished.stdout[-3000:])
        if shown is not None:
            count = shown.count("\n") + 1
            assert finished.stdout.strip().splitlines()[-count:] == shown.splitlines(), text
            printed.append(shown)
        if "/ 0" in text:
            assert not list(Path("configs/variants").glob("broken*"))
    assert len(printed) == 3  # the plan, the broken promise, the audit
    page = give(
        "fpc try fading_anchor.py --scale demo --domain apple_retrieval --option coefficient=10"
    ).stdout
    (row,) = (line for line in page.splitlines() if line.startswith("fading_anchor "))
    assert "better" in row or "undecided" in row
    finetuned = Path("results/demo+fading_anchor/apple_retrieval/finetune/fading_anchor")
    assert [path.name for path in finetuned.rglob("*.py")] == ["fading_anchor.py"]
    assert Path("results/demo+fading_anchor/claims.md").exists()
