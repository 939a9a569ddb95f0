"""A small chain of real artifacts to audit: the two-state MDP, from pi* to its figure."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fpc.core.files import digest_of, sha256_of
from fpc.lineage.artifact import Row
from fpc.lineage.verdict import Finding
from fpc.lineage.verify import verify
from fpc.workflow.configuration import Configuration
from fpc.workflow.loader import load
from fpc.workflow.phases.collect import collect
from fpc.workflow.phases.evaluate import evaluate
from fpc.workflow.phases.figure import figure
from fpc.workflow.phases.finetune import finetune
from fpc.workflow.phases.pretrain import pretrain
from fpc.workflow.run_table import RunTable, figure_row

PRETRAIN = Row("tiny", "pretrain", "two_state_mdp", seeds=(0,))
COLLECT = Row("tiny", "collect", "two_state_mdp", seeds=(0,))
FINETUNE = Row("tiny", "finetune", "two_state_mdp", "vanilla", (0,))
EVALUATE = Row("tiny", "evaluate", "two_state_mdp", "vanilla", (0,))
FIGURE = Row("tiny", "figure", name="figure_9")
CHAIN = (PRETRAIN, COLLECT, FINETUNE, EVALUATE, FIGURE)
ROOT = Path(__file__).resolve().parents[2]


def make_chain() -> Configuration:
    """Make the chain in the current folder; its configuration."""
    shutil.copytree(ROOT / "configs", "configs")
    shutil.copy(ROOT / "tests" / "tiny.yaml", "configs/tiny.yaml")
    configuration = load("tiny")
    assert figure_row(configuration, "figure_9") == FIGURE
    pretrain(configuration, "two_state_mdp", (0,))
    collect(configuration, "two_state_mdp", (0,))
    finetune(configuration, "two_state_mdp", "vanilla", (0,))
    evaluate(configuration, "two_state_mdp", "vanilla", (0,))
    figure(configuration, "figure_9")
    return configuration


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chain, made once."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        make_chain()
    return folder


@pytest.fixture
def chain(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the chain to tamper with, as the current directory."""
    shutil.copytree(made, tmp_path / "project", symlinks=True)
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def findings(*paths: Path) -> dict[Path, Finding]:
    """The audit's findings on the chain's artifacts, or on everything below ``paths``."""
    table = RunTable(load("tiny"))
    places = paths or (Path("results/tiny/two_state_mdp"), Path("results/tiny/figures"))
    return {item.artifact: item for item in verify(places, {"tiny": table})}


def rewrite(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a manifest and give it a valid digest of itself, as someone who knows the format would."""
    statement = json.loads(path.read_text(encoding="utf-8"))
    change(statement)
    statement.pop("statement_sha256", None)
    statement["statement_sha256"] = digest_of(statement)
    path.write_text(json.dumps(statement, indent=2) + "\n", encoding="utf-8")


def forge(folder: Path, name: str, content: bytes, manifest: str = "manifest.json") -> None:
    """Replace a file and adapt its manifest."""
    (folder / name).write_bytes(content)

    def change(statement: dict[str, Any]) -> None:
        for item in statement["subject"]:
            if item["name"] == name:
                item |= {"digest": {"sha256": sha256_of(folder / name)}, "size": len(content)}

    rewrite(folder / manifest, change)
