"""The code of the page on weights acts on an observation, in at most five lines after its imports."""

from __future__ import annotations

import ast
import re
from typing import Any

import numpy as np
import pytest
import torch
from tests.domains.saved_policies import write_policies
from tests.workflow.chain import ROOT

from fpc.domains.load import policy
from fpc.workflow.loader import load
from fpc.workflow.phases.pretrain import pretrain

PAGE = ROOT / "docs" / "how-to" / "use-the-weights.md"
SNIPPETS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def snippet(experiment: str) -> str:
    (found,) = (code for code in SNIPPETS if f"results/laptop/{experiment}/" in code)
    return found


def run(experiment: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(snippet(experiment), str(PAGE), "exec"), names)
    return names


@pytest.mark.parametrize("code", SNIPPETS)
def test_a_snippet_has_at_most_five_lines_after_its_imports(code: str) -> None:
    lines = [node for node in ast.parse(code).body if not isinstance(node, ast.Import | ast.ImportFrom)]
    assert len(lines) <= 5
    assert lines[-1].end_lineno - lines[0].lineno + 1 <= 5  # type: ignore[operator]


def test_every_domain_with_weights_has_one() -> None:
    assert len(SNIPPETS) == len(
        {
            snippet(load("laptop").experiments[name].domain)
            for name in ("two_state_mdp", "apple_retrieval", "robotic_sequence", "nethack", "montezuma")
        }
    )


@pytest.mark.usefixtures("project")
def test_two_state_mdp() -> None:
    pretrain(load("laptop"), "two_state_mdp", (0,))
    found = run("two_state_mdp")
    assert found["moves_to_s1"] in (0, 1)
    both = policy("results/laptop/two_state_mdp/pretrain/seed_0")(torch.tensor([0, 1]))
    assert both.shape == (2, 2)
    assert both[0, 0] == found["theta"]
    theta = float(found["theta"])  # with epsilon = 1, the probability of staying is 1 - 2 theta below 1/2
    assert both[0, 1] == pytest.approx(abs(1 - 2 * theta))


@pytest.mark.usefixtures("project")
def test_apple_retrieval() -> None:
    write_policies("apple_retrieval")
    found = run("apple_retrieval")
    assert set(found["moves_right"].tolist()) <= {0.0, 1.0}
    network = policy("results/laptop/apple_retrieval/pretrain/seeds_0-19")
    outputs = network.outputs(torch.full((180, 1, 1), -0.5, dtype=torch.float64))
    assert torch.equal(outputs.flatten(), found["logits"])


@pytest.mark.usefixtures("project")
def test_robotic_sequence() -> None:
    write_policies("robotic_sequence")
    found = run("robotic_sequence")
    assert found["action"].shape == (4,)
    assert found["action"].dtype == np.float32
    assert np.abs(found["action"]).max() < 1


@pytest.mark.usefixtures("project")
def test_nethack() -> None:
    write_policies("nethack")
    found = run("nethack")
    assert 0 <= int(found["action"]) < 121
    assert not found["network"].training
    later, _, _ = found["network"](found["seen"], torch.tensor([[False]]), found["state"])
    assert not torch.equal(later, found["logits"]), "the state matters"


@pytest.mark.usefixtures("project")
def test_montezuma() -> None:
    write_policies("montezuma")
    assert 0 <= int(run("montezuma")["action"]) < 18
