"""A fresh clone has tables and no weights, and redraws every committed figure without training."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.workflow.chain import BIN, ROOT, environment

FIGURES = Path("results/laptop/figures")
SUFFIXES = (".svg", ".png", ".csv")
# Without weights film 7 takes actions from its own CSV.
REDRAWN = tuple(sorted({path.stem for path in (ROOT / FIGURES).glob("*.svg")} - {"film_7"}))


def git(folder: Path, *arguments: str | Path, text: bytes | None = None) -> bytes:
    """Output of a git command in a folder."""
    return subprocess.run(
        ["git", *arguments], cwd=folder, input=text, stdout=subprocess.PIPE, check=True, timeout=120
    ).stdout


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of this checkout, including uncommitted changes."""
    return cloned(tmp_path_factory.mktemp("fresh") / "clone")


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone by a user whose git turns line endings into CR LF."""
    return cloned(tmp_path_factory.mktemp("converted") / "clone", "--config", "core.autocrlf=true")


def cloned(folder: Path, *options: str) -> Path:
    """Clone this checkout into ``folder``, including uncommitted changes."""
    git(ROOT, "clone", "--quiet", *options, ROOT, folder)
    if difference := git(ROOT, "diff", "--binary", "HEAD"):
        git(folder, "apply", "--whitespace=nowarn", "-", text=difference)
    for name in git(ROOT, "ls-files", "--others", "--exclude-standard", "-z").decode().split("\0"):
        if name:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


def snakemake(folder: Path, *arguments: str | Path) -> str:
    """What snakemake printed at scale laptop."""
    finished = subprocess.run(
        [BIN / "snakemake", "--cores", "2", *arguments, "--config", "scale=laptop"],
        cwd=folder,
        env=environment(folder.parent),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout + finished.stderr


def jobs(printed: str) -> dict[str, int]:
    """Rule -> number of jobs."""
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", printed, re.MULTILINE)}


def test_a_fresh_clone_has_no_weights_and_nothing_to_do(clone: Path) -> None:
    assert list((clone / "results").rglob("*.safetensors")) == []
    assert "Nothing to be done" in snakemake(clone, "--dry-run")


@pytest.mark.parametrize("name", REDRAWN)
def test_a_figure_is_drawn_again_byte_for_byte_by_its_rule_alone(clone: Path, name: str) -> None:
    files = {FIGURES / f"{name}{suffix}": (ROOT / FIGURES / f"{name}{suffix}") for suffix in SUFFIXES}
    for path in files:
        (clone / path).unlink()
    target = FIGURES / f"{name}.svg"
    assert jobs(snakemake(clone, "--dry-run", target)) == {"figure": 1, "total": 1}
    snakemake(clone, target)
    for path, committed in files.items():
        assert (clone / path).read_bytes() == committed.read_bytes(), path


def contents(folder: Path) -> dict[str, bytes]:
    """Content of each file below a folder that is not git's."""
    names = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in names.items() if not name.startswith(".git/")}


ATTRIBUTES = """\
*.csv text eol=crlf
*.json ident
*.svg filter=mine
*.md working-tree-encoding=UTF-16
"""


@pytest.mark.parametrize("setting", ["autocrlf=true", "autocrlf=input", "eol=crlf", "attributesFile"])
def test_no_setting_of_git_changes_a_file(setting: str, tmp_path: Path) -> None:
    """A repository of this checkout's results, as someone with this setting checks it out."""
    origin, out = tmp_path / "origin", tmp_path / "out"
    shutil.copytree(ROOT / FIGURES, origin / FIGURES)
    for name in ("README.md", ".gitattributes"):
        shutil.copy(ROOT / name, origin / name)
    (tmp_path / "attributes").write_text(ATTRIBUTES, encoding="utf-8")
    git(origin, "init", "--quiet")
    git(origin, "add", ".")
    chosen = f"core.{setting}" + (f"={tmp_path / 'attributes'}" if "=" not in setting else "")
    options = ("-c", chosen, "-c", "filter.mine.smudge=sed s/a/b/")
    git(origin, *options, "checkout-index", "--all", f"--prefix={out}/")
    assert len(contents(out)) > 20
    assert contents(out) == contents(origin)


def test_a_clone_that_converts_line_endings_is_no_other(converted: Path) -> None:
    """Manifests hold the digests of files as they are committed."""
    assert git(converted, "config", "core.autocrlf") == b"true\n"
    assert not any(b"\r\n" in path.read_bytes() for path in (converted / FIGURES).glob("*.csv"))
    audit = subprocess.run(
        [BIN / "fpc", "audit", "verify"],
        cwd=converted,
        env=environment(converted.parent),
        capture_output=True,
        text=True,
        check=False,
    )
    assert audit.returncode == 0, audit.stdout + audit.stderr
    assert "Nothing to be done" in snakemake(converted, "--dry-run")


def test_a_trial_says_what_it_needs_of_weights_before_it_runs(clone: Path) -> None:
    words = ["examples/methods/l2.py", "--option", "coefficient=0.1", "--domain", "robotic_sequence"]
    command = [BIN / "fpc", "try", *words]
    found = subprocess.run(
        command, cwd=clone, env=environment(clone.parent), capture_output=True, text=True, check=False
    )
    assert found.returncode == 1, found.stdout + found.stderr
    assert found.stdout.startswith("l2: keeps every promise of a retention method")
    home = "results/laptop/robotic_sequence"
    folders, records = (
        [f"{where}/{phase}" for phase in ("pretrain", "collect")]
        for where in (home, "weights/laptop/robotic_sequence")
    )
    said = f"weights and data of {folders[0]}/seed_0, {folders[1]}/seed_0 are not here"
    fetched = f"fetch them with `dvc pull {records[0]}.dvc {records[1]}.dvc`"
    assert f"{said}: {fetched}" in found.stdout  # the plan
    assert f"{said}; {fetched}, then repeat this command" in found.stderr
    (clone / "configs" / "variants" / "l2.yaml").unlink()


def test_after_a_pull_a_method_can_be_tried_in_every_domain(tmp_path: Path) -> None:
    clone = cloned(tmp_path / "clone")
    settings = environment(tmp_path)
    subprocess.run([BIN / "dvc", "pull", "--quiet"], cwd=clone, env=settings, check=True, timeout=300)
    words = ["examples/methods/l2.py", "--option", "coefficient=0.1", "--plan"]
    plan = subprocess.run(
        [BIN / "fpc", "try", *words], cwd=clone, env=settings, capture_output=True, text=True, check=True
    ).stdout
    made = dict(re.findall(r"^(\w+) +\d+ +\d+ +\d+ +(\d+) +\d+$", plan, re.MULTILINE))
    # Nothing of the scale itself is made again.
    assert made == dict.fromkeys(["apple_retrieval", "robotic_sequence", "nethack", "montezuma"], "0"), plan
    assert "are not here" not in plan
