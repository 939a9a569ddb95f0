"""`fpc export-model`: a folder that the Hub and plain torch can read, from current artifacts alone."""

from __future__ import annotations

import json
import re
import resource
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import yaml
from huggingface_hub import ModelCard
from safetensors.torch import load_file
from tests.domains.saved_policies import STEP, write_policies
from typer.testing import CliRunner, Result

from fpc import __version__
from fpc.cli.main import app
from fpc.core.errors import UserError
from fpc.core.files import sha256_of
from fpc.domains.load import policy
from fpc.lineage.manifest import read
from fpc.workflow.loader import load
from fpc.workflow.phases.collect import collect
from fpc.workflow.phases.evaluate import evaluate
from fpc.workflow.phases.finetune import finetune
from fpc.workflow.phases.pretrain import pretrain

PI_STAR = Path("results/tiny/two_state_mdp/pretrain/seed_0")
TUNED = Path("results/tiny/two_state_mdp/finetune/vanilla/seed_0")
EPISODES = Path("results/tiny/two_state_mdp/evaluate/vanilla/seed_0/episodes.parquet")
FILES = ["README.md", "config.json", "manifest.json", "model.safetensors"]


@pytest.fixture
def chain(project: Path) -> Path:
    """The two-state MDP, made by its phases in the current folder."""
    configuration = load("tiny")
    pretrain(configuration, "two_state_mdp", (0,))
    collect(configuration, "two_state_mdp", (0,))
    finetune(configuration, "two_state_mdp", "vanilla", (0,))
    evaluate(configuration, "two_state_mdp", "vanilla", (0,))
    return project


def export(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["export-model", *map(str, arguments)])


def exported(*arguments: object) -> Path:
    """The folder, whose name is the second argument."""
    result = export(*arguments)
    assert result.exit_code == 0, result.output + str(result.exception)
    folder = Path(str(arguments[1]))
    assert sorted(path.name for path in folder.iterdir()) == FILES
    return folder


def refused(*arguments: object) -> str:
    """The one message of an export that is refused, which leaves nothing behind."""
    before = sorted(Path().iterdir())
    result = export(*arguments)
    assert isinstance(result.exception, UserError), result.output
    assert sorted(Path().iterdir()) == before
    return str(result.exception)


def acting(folder: Path) -> dict[str, Any]:
    """What the card's example leaves when it is run in the folder."""
    (code,) = re.findall(
        r"^```python\n(.*?)^```", (folder / "README.md").read_text(), re.MULTILINE | re.DOTALL
    )
    body = [line for line in code.splitlines() if line and not line.startswith(("import ", "from "))]
    assert len(body) <= 5
    names: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        exec(code, names)
    return names


@pytest.mark.usefixtures("chain")
def test_a_fine_tuned_policy() -> None:
    folder = exported(TUNED, "hub")
    assert (folder / "manifest.json").read_bytes() == (TUNED / "manifest.json").read_bytes()
    weights = load_file(folder / "model.safetensors")
    last = load_file(TUNED / "milestones" / "step_2000.safetensors")
    assert weights == last
    config = json.loads((folder / "config.json").read_text())
    manifest = read(TUNED / "manifest.json")
    assert config["section"] == manifest.definition["externalParameters"]["section"]
    assert (config["domain"], config["step"], config["fpc_version"]) == ("two_state_mdp", 2000, __version__)
    assert acting(folder)["theta"] == last["coverage"]
    states = torch.tensor([0, 1])
    assert torch.equal(policy(folder)(states), policy(TUNED)(states))


@pytest.mark.usefixtures("chain")
def test_the_card_says_what_the_manifest_and_the_tables_say() -> None:
    folder = exported(TUNED, "hub", "--step", 500)
    card = ModelCard.load(folder / "README.md")
    front = yaml.safe_load((folder / "README.md").read_text().split("---\n")[1])
    assert front["license"] == card.data.license == "mit"
    assert {"reinforcement-learning", "two_state_mdp", "vanilla"} <= set(card.data.tags)
    assert (front["library_name"], front["pipeline_tag"]) == ("fpc", "reinforcement-learning")
    episodes = pd.read_parquet(EPISODES)
    measured = episodes[episodes["step"] == 500]
    expected = {
        (f"{row.condition} {row.probe}", row.measure): row.value for row in measured.itertuples(index=False)
    }
    found = {(item.dataset_config, item.metric_type): item.metric_value for item in card.data.eval_results}
    assert found == pytest.approx(expected)
    assert {
        item["args"]["episodes"]
        for result in front["model-index"][0]["results"]
        for item in result["metrics"]
    } == {1}
    manifest = read(TUNED / "manifest.json")
    for text in (
        "`vanilla`",
        "after 500 steps",
        "| scale | `tiny` |",
        "| seeds | 0 |",
        f"fpc audit verify {TUNED}/manifest.json",
        sha256_of(TUNED / "manifest.json"),
        sha256_of(folder / "model.safetensors"),
        *manifest.parents.values(),
        str(manifest.details["builder"]["code"].get("commit", "not recorded")),
        "https://arxiv.org/abs/2402.02868",
    ):
        assert text in card.content, text


@pytest.mark.usefixtures("chain")
def test_pi_star_is_measured_at_step_0_of_a_method_that_starts_from_it() -> None:
    card = ModelCard.load(exported(PI_STAR / "policy.safetensors", "hub") / "README.md")
    episodes = pd.read_parquet(EPISODES)
    reach = episodes[(episodes["step"] == 0) & (episodes["measure"] == "reach_probability")]
    found = [item.metric_value for item in card.data.eval_results if item.metric_type == "reach_probability"]
    assert sorted(found) == pytest.approx(sorted(reach["value"]))
    assert "π*, the pre-trained policy" in card.content


@pytest.mark.usefixtures("chain")
def test_tables_that_are_not_those_of_the_policy_are_not_quoted() -> None:
    EPISODES.write_bytes(b"something else")
    card = ModelCard.load(exported(TUNED, "hub") / "README.md")
    assert card.data.eval_results is None
    assert "has not been measured" in card.content


@pytest.mark.usefixtures("chain")
def test_only_what_is_current_and_here_is_exported() -> None:
    milestone = TUNED / "milestones" / "step_2000.safetensors"
    content = milestone.read_bytes()
    milestone.unlink()
    assert re.search(r"is missing: .*dvc pull.*fpc finetune --scale=tiny", refused(TUNED, "hub"))
    milestone.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert "is tampered" in refused(TUNED, "hub")
    milestone.write_bytes(content)
    exported(TUNED, "hub")
    scale = Path("configs/tiny.yaml")
    scale.write_text(scale.read_text().replace("updates: 2000", "updates: 3000"))
    assert re.search(
        r"is stale: .*updates.*; make it again \(fpc finetune --scale=tiny", refused(TUNED, "new")
    )
    assert "no policy" in refused("results/tiny/two_state_mdp/collect/seed_0", "new")


@pytest.mark.usefixtures("chain")
def test_only_an_earlier_export_is_replaced_and_only_if_asked() -> None:
    exported(TUNED, "hub")
    before = sha256_of(Path("hub/model.safetensors"))
    assert "--force" in refused(TUNED, "hub", "--step", 0)
    assert sha256_of(Path("hub/model.safetensors")) == before
    exported(TUNED, "hub", "--step", 0, "--force")
    assert sha256_of(Path("hub/model.safetensors")) != before
    Path("hub/notes.txt").write_text("mine")
    assert "other files (notes.txt)" in refused(TUNED, "hub", "--force")
    assert "inside results/" in refused(TUNED, "results/hub")
    assert "not a folder" in refused(TUNED, "Snakefile")
    Path("empty").mkdir()
    exported(TUNED, "empty")


@pytest.mark.usefixtures("chain")
def test_an_export_that_fails_leaves_the_earlier_one() -> None:
    exported(TUNED, "hub")
    before = {path: path.read_bytes() for path in Path("hub").iterdir()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))  # room for the weights, not for the rest
    try:
        result = export(TUNED, "hub", "--step", 0, "--force")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert isinstance(result.exception, OSError), result.exception
    assert {path: path.read_bytes() for path in Path("hub").iterdir()} == before
    assert [path for path in Path().iterdir() if path.name.startswith(".hub")] == []


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("experiment", ["apple_retrieval", "robotic_sequence", "nethack", "montezuma"])
def test_every_domains_card_loads_its_weights_in_five_lines(experiment: str) -> None:
    for number, folder in enumerate(write_policies(experiment)):
        made = exported(folder, f"hub_{number}")
        names = acting(made)
        expected, found = policy(folder).state_dict(), policy(made).state_dict()
        assert expected.keys() == found.keys()
        assert all(torch.equal(found[name], value) for name, value in expected.items())
        if network := names.get("network", names.get("actor")):
            assert all(torch.equal(network.state_dict()[name], value) for name, value in expected.items())
    if experiment == "nethack":
        assert len(load_file(folder / "milestones" / f"step_{STEP}.safetensors")) == 1
        assert len(load_file(made / "model.safetensors")) == len(expected)
