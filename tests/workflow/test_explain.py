"""What explain says about an artifact in every state."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.dvc_lock import record_weights

from fpc.core.errors import ConfigError
from fpc.core.interruption import Interrupted
from fpc.lineage.artifact import Row
from fpc.workflow.explain import explain_text
from fpc.workflow.loader import load
from fpc.workflow.phases.collect import collect
from fpc.workflow.phases.pretrain import pretrain
from fpc.workflow.run import RUNS, open_run
from fpc.workflow.run_table import section_of
from fpc.workflow.status import run_states, status_text

PRETRAIN = Path("results/tiny/two_state_mdp/pretrain/seed_0")
COLLECT = Path("results/tiny/two_state_mdp/collect/seed_0")
pytestmark = pytest.mark.usefixtures("project")


def made() -> None:
    pretrain(load("tiny"), "two_state_mdp", (0,))
    collect(load("tiny"), "two_state_mdp", (0,))


def test_an_artifact_never_made_names_its_parents_and_its_command() -> None:
    text = explain_text(COLLECT)
    assert "collect two_state_mdp seed_0 (tiny) would be made." in text
    assert "waiting for: pretrain two_state_mdp seed_0" in text
    assert "fpc collect --scale=tiny --experiment=two_state_mdp --seeds=0" in text


def test_a_done_artifact_stays_done_without_weights_that_dvc_keeps() -> None:
    made()
    assert "is done." in explain_text(COLLECT)
    record_weights(COLLECT / "expert.safetensors")
    (COLLECT / "expert.safetensors").unlink()
    text = explain_text(COLLECT / "manifest.json")
    assert "is done." in text
    assert "- expert.safetensors is not here; dvc pull fetches what is recorded" in text


def test_a_changed_value_is_named_with_both_values(project: Path) -> None:
    made()
    path = project / "configs" / "tiny.yaml"
    text = path.read_text(encoding="utf-8")
    changed = text.replace("    finetune:", "    pretrain: {updates: 77}\n    finetune:")
    path.write_text(changed, encoding="utf-8")
    before = load("paper").experiments["two_state_mdp"].pretrain.updates  # type: ignore[attr-defined]
    said = explain_text(PRETRAIN)
    assert "would be made again" in said
    assert re.search(rf"configuration section has changed: pretrain.updates was {before}, is 77", said)
    assert f"parent {PRETRAIN}/manifest.json is stale\n- waiting for: pretrain" in explain_text(COLLECT)
    pretrain(load("tiny"), "two_state_mdp", (0,))
    assert f"parent {PRETRAIN}/manifest.json is not the one it was made from" in explain_text(COLLECT)


def test_an_unfinished_run_says_where_it_was_and_how_it_ended(project: Path) -> None:
    row = Row("tiny", "pretrain", "two_state_mdp", seeds=(0,))

    def stop() -> None:
        with open_run(row, section_of(load("tiny"), row), []) as run:
            run.report(30, 100)
            raise Interrupted("SIGTERM")

    with pytest.raises(Interrupted):
        stop()
    text = explain_text(PRETRAIN)
    assert "Interrupted: attempt 1 was at step 30 of 100, stopped by SIGTERM; its state is kept" in text
    path = project / "configs" / "tiny.yaml"
    changed = path.read_text("utf-8").replace("    finetune:", "    pretrain: {updates: 77}\n    finetune:")
    path.write_text(changed, encoding="utf-8")
    (folder,) = RUNS.iterdir()
    said = f"state of another configuration or version in {folder}"
    text = explain_text(PRETRAIN)
    assert said in text
    assert "Interrupted" not in text
    states = [item for item in run_states(load("tiny")) if item.row == row]
    assert [item.state for item in states] == ["waiting"]
    assert f"pretrain two_state_mdp seed_0: {said}" in status_text(states)
    pretrain(load("tiny"), "two_state_mdp", (0,))
    assert said not in explain_text(PRETRAIN)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (
            "results/tiny/two_state_mdp/pretrain/seed_7",
            "Did you mean results/tiny/two_state_mdp/pretrain/seed_0",
        ),
        ("results/tyni/x/y", "unknown scale 'tyni'"),
        ("configs", "give an artifact below results/<scale>/"),
    ],
)
def test_a_path_that_is_not_an_artifact_is_refused_with_similar_ones(path: str, words: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)):
        explain_text(Path(path))
