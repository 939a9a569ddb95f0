"""Whether an artifact is current has one answer, used in six places."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.dvc_lock import record_weights
from tests.workflow.chain import BIN, environment, run_chain

from fpc.lineage.artifact import Row
from fpc.lineage.freshness import freshness
from fpc.lineage.verdict import ACCEPTABLE
from fpc.lineage.verify import verify
from fpc.workflow.configuration import Configuration
from fpc.workflow.dvc_record import problems
from fpc.workflow.execution import execute
from fpc.workflow.explain import explain_text
from fpc.workflow.loader import load
from fpc.workflow.phases.pretrain import pretrain
from fpc.workflow.run import Run, RunError
from fpc.workflow.run_table import RunTable
from fpc.workflow.status import run_states

HOME = Path("results/tiny/two_state_mdp")
EVERYTHING = ["pretrain", "collect", "finetune", "evaluate", "figure", "claims", "report"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which the whole tiny chain has run."""
    project = tmp_path_factory.mktemp("project")
    run_chain(project, "tiny")
    return project


@pytest.fixture
def project(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, with its file times, as the current directory."""
    shutil.copytree(made, tmp_path / "project", symlinks=True)
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def nothing() -> None:
    """Leave the tree as it is."""


def parent_made_again() -> None:
    shutil.rmtree(HOME / "pretrain")
    pretrain(load("tiny"), "two_state_mdp", (0,))


def section_changed() -> None:
    path = Path("configs/tiny.yaml")
    text = path.read_text(encoding="utf-8")
    assert "updates: 2000" in text
    path.write_text(text.replace("updates: 2000", "updates: 1000"), encoding="utf-8")


def table_missing() -> None:
    (HOME / "evaluate/vanilla/seed_0/episodes.parquet").unlink()


def weights_missing() -> None:
    (HOME / "pretrain/seed_0/policy.safetensors").unlink()


def weights_not_pulled() -> None:
    record_weights(*(row.folder / "policy.safetensors" for row in RunTable(load("tiny")).rows()[:1]))
    weights_missing()


def child_removed() -> None:
    shutil.rmtree(HOME / "evaluate")


def figure_altered() -> None:
    with Path("results/tiny/figures/figure_9.svg").open("a", encoding="utf-8") as file:
        file.write("<!-- altered -->")


def manifest_altered() -> None:
    path = HOME / "collect/seed_0/manifest.json"
    path.write_text(path.read_text("utf-8").replace('"attempts": 1', '"attempts": 2'), "utf-8")


class Started(Exception):
    """The work of a row was started."""


def raise_started(run: Run) -> None:
    """Stands in for the work of a row: raises instead."""
    raise Started


def by_execute(configuration: Configuration, row: Row) -> bool:
    """Whether a phase finds nothing to do; it may also refuse, because a parent is not current."""
    try:
        execute(configuration, row, raise_started)
    except (Started, RunError):
        return False
    return True


def by_the_driver(project: Path) -> set[str]:
    """Manifests that Snakemake would make."""
    finished = subprocess.run(
        [BIN / "snakemake", "--cores", "1", "--dry-run", "--config", "scale=tiny"],
        env=environment(project),
        capture_output=True,
        text=True,
        check=True,
    )
    outputs = " ".join(re.findall(r"^ +output: (.*)$", finished.stdout + finished.stderr, re.MULTILINE))
    return set(re.findall(r"[^ ,]*manifest\.json", outputs))


@pytest.mark.parametrize("fresh_clone", [False, True])
@pytest.mark.parametrize(
    ("change", "first"),
    [
        (nothing, None),
        (weights_not_pulled, None),
        (parent_made_again, "collect"),
        (section_changed, "finetune"),
        (table_missing, "evaluate"),
        (weights_missing, "pretrain"),
        (child_removed, "evaluate"),
        (figure_altered, "figure"),
        (manifest_altered, "collect"),
    ],
)
def test_all_six_say_the_same(
    project: Path, change: Callable[[], None], first: str | None, fresh_clone: bool
) -> None:
    """Exactly the row that was touched and everything made from it are not current."""
    if fresh_clone:
        shutil.rmtree(".snakemake")
        shutil.rmtree("results/.sections")
    change()
    expected = set(EVERYTHING if first is None else EVERYTHING[: EVERYTHING.index(first)])
    expected |= {"claims"} if first == "figure" else set()  # not made from figures
    configuration = load("tiny")
    table = RunTable(configuration)
    rows = table.rows()
    assert [row.phase for row in rows] == EVERYTHING
    driver = by_the_driver(project)
    found = {item.artifact: item.verdict for item in verify([Path("results/tiny")], {"tiny": table})}
    answers = {
        "status": {item.row.phase for item in run_states(configuration) if item.state == "done"},
        "explain": {row.phase for row in rows if "is done." in explain_text(row.manifest)},
        "record": {row.phase for row in rows if row.manifest.exists()}
        - {row.phase for row in rows if list(problems(freshness(table), table, row))},
        "verify": {row.phase for row in rows if found[row.manifest] in ACCEPTABLE},
        "driver": {row.phase for row in rows if row.manifest.as_posix() not in driver},
        "execute": {row.phase for row in rows if by_execute(configuration, row)},
    }
    assert answers == dict.fromkeys(answers, expected)


def pretraining_removed() -> None:
    shutil.rmtree(HOME / "pretrain")


@pytest.mark.parametrize(
    ("change", "phase", "remedy"),
    [
        (weights_not_pulled, "collect", r"fetch it \(dvc pull\), or delete .*pretrain.* again: fpc pretrain"),
        (weights_missing, "collect", r"fetch the files of .*pretrain.* \(dvc pull\), or .*: fpc pretrain"),
        (pretraining_removed, "finetune", "make results/tiny/two_state_mdp/pretrain/seed_0: fpc pretrain"),
        (parent_made_again, "evaluate", "again: fpc collect .*: snakemake --cores 2 --config scale=tiny$"),
        (manifest_altered, "finetune", r"restore .*collect.*\(git checkout, .*\), or .*: fpc collect"),
    ],
)
@pytest.mark.usefixtures("project")
def test_a_refusal_says_how_to_put_the_first_cause_right(
    change: Callable[[], None], phase: str, remedy: str
) -> None:
    configuration = load("tiny")
    (row,) = (row for row in RunTable(configuration).rows() if row.phase == phase)
    change()
    row.manifest.unlink(missing_ok=True)
    with pytest.raises(RunError, match=remedy):
        execute(configuration, row, raise_started)
