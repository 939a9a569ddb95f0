"""Published weights: bit-exact conversion, refusal with all reasons, and no code in them is run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner

from fpc.cli.main import app
from fpc.core.files import read_tensors, sha256_of, write_tensors
from fpc.domains.nethack.config import NetworkOptions
from fpc.domains.nethack.network import NetHackNetwork
from fpc.domains.nethack.published_weights import PolicyFileError, export_policy, import_policy

SIZES = NetworkOptions(
    message_hidden=3,
    status_channels=(2, 3),
    status_hidden=4,
    character_embedding=2,
    colour_embedding=2,
    screen_channels=(2, 3),
    screen_hidden=5,
    crop_size=9,
    crop_channels=(2, 2),
    hidden=6,
)


def weights(sizes: NetworkOptions = SIZES) -> dict[str, Tensor]:
    return NetHackNetwork.seeded(sizes, 1).state_dict()


def saved(folder: Path, content: Any) -> Path:
    path = folder / "checkpoint.tar"
    torch.save(content, path)
    return path


def refused(path: Path, sizes: NetworkOptions = SIZES, **options: Any) -> str:
    output = path.parent / "policy.safetensors"
    with pytest.raises(PolicyFileError) as caught:
        import_policy(path, output, sizes, **options)
    assert not output.exists()
    assert not output.with_suffix(".json").exists()
    return str(caught.value)


def test_a_checkpoint_of_the_papers_code_is_converted_exactly(tmp_path: Path) -> None:
    state = weights()
    others = {"optimizer": {"state": {0: {"step": torch.tensor(1.0)}}, "param_groups": [{"lr": 1e-4}]}}
    path = saved(tmp_path, {"learner_state": {"model": state, **others}, "flags": {"h_dim": 6}})
    output = tmp_path / "policy.safetensors"
    found = import_policy(path, output, SIZES, sha256=sha256_of(path).upper())
    read = read_tensors(output, sha256=found.sha256)
    assert read.keys() == state.keys()
    assert all(torch.equal(value, state[key]) for key, value in read.items())
    NetHackNetwork(SIZES).load_state_dict(read)
    note = json.loads(output.with_suffix(".json").read_text(encoding="utf-8"))
    assert note["source_sha256"] == sha256_of(path)
    assert note["nesting"] == "learner_state/model"
    assert note["numbers"] == sum(value.numel() for value in state.values())


def test_a_checkpoint_of_tuyls_et_al_is_converted_without_its_reward_moments(tmp_path: Path) -> None:
    moments = {"reward_sum": torch.zeros(()), "reward_m2": torch.zeros(()), "reward_count": torch.zeros(())}
    path = saved(tmp_path, {"model_state_dict": {**moments, **weights()}, "epoch": 3})
    found = import_policy(path, tmp_path / "policy.safetensors", SIZES)
    assert found.dropped == ("reward_sum", "reward_m2", "reward_count")
    assert read_tensors(tmp_path / "policy.safetensors").keys() == weights().keys()


def test_export_is_the_reverse_of_import(tmp_path: Path) -> None:
    write_tensors(tmp_path / "policy.safetensors", weights())
    checkpoint = tmp_path / "checkpoint.tar"
    digest = export_policy(tmp_path / "policy.safetensors", checkpoint, SIZES)
    import_policy(checkpoint, tmp_path / "again.safetensors", SIZES, sha256=digest)
    assert sha256_of(tmp_path / "again.safetensors") == sha256_of(tmp_path / "policy.safetensors")
    content = torch.load(checkpoint, weights_only=True)
    assert list(content["learner_state"]["model"]) == list(weights())


class Malicious:
    """Its pickle calls open() on a path, which would make the file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.path), "w")


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    bait = tmp_path / "bait"
    path = saved(tmp_path, {"learner_state": {"model": weights()}, "flags": Malicious(bait)})
    assert "without running code" in refused(path)
    assert not bait.exists()
    torch.load(path, weights_only=False).get("flags").close()
    assert bait.exists()  # so it would have been, had the code been run


def test_all_differences_are_in_one_error(tmp_path: Path) -> None:
    state = weights()
    del state["policy.bias"], state["fc.0.bias"]
    state["extra.weight"] = torch.zeros(2, 3)
    state["baseline.weight"] = torch.zeros(1, 7)
    state["baseline.bias"] = torch.zeros(1, dtype=torch.float64)
    message = refused(saved(tmp_path, {"learner_state": {"model": state}}))
    assert message.splitlines()[1:] == [
        "  missing: fc.0.bias 6 float32",
        "  missing: policy.bias 121 float32",
        "  unknown: extra.weight 2x3 float32",
        "  differs: baseline.weight is 1x7 float32, expected 1x6 float32",
        "  differs: baseline.bias is 1 float64, expected 1 float32",
    ]


def test_a_different_size_is_reported_with_both_sizes(tmp_path: Path) -> None:
    larger = SIZES.model_copy(update={"hidden": 9, "screen_channels": (2, 3, 4)})
    message = refused(saved(tmp_path, {"learner_state": {"model": weights(larger)}}))
    assert "network.hidden is 6 in the experiment, 9 in the file" in message
    assert "network.screen_channels is (2, 3) in the experiment, (2, 3, 4) in the file" in message
    assert "message_hidden" not in message


def test_a_milestone_is_exported_with_pi_stars_weights(tmp_path: Path) -> None:
    pi_star, milestone = tmp_path / "policy.safetensors", tmp_path / "step_9.safetensors"
    write_tensors(pi_star, weights())
    changed = {"policy.bias": weights()["policy.bias"] + 1.0}
    write_tensors(milestone, changed)
    with pytest.raises(PolicyFileError, match=r"has a part of a network's weights, .* give --pi-star"):
        export_policy(milestone, tmp_path / "checkpoint.tar", SIZES)
    export_policy(milestone, tmp_path / "checkpoint.tar", SIZES, pi_star)
    found = torch.load(tmp_path / "checkpoint.tar", weights_only=True)["learner_state"]["model"]
    expected = weights() | changed
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], value) for name, value in expected.items())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"model": {}}, "no weights under learner_state/model or model_state_dict; found: model"),
        ([1, 2], "no weights"),
        ({"model_state_dict": {"policy.bias": 3}}, "policy.bias under model_state_dict are not tensors"),
    ],
)
def test_a_file_without_weights_is_refused(tmp_path: Path, content: Any, reason: str) -> None:
    assert reason in refused(saved(tmp_path, content))


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"<html>quota exceeded</html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "a Git LFS pointer"),
        (b"", "an empty file"),
        (b"what is this", "not a checkpoint of torch"),
    ],
)
def test_a_file_that_is_not_a_checkpoint_is_called_by_its_name(
    tmp_path: Path, content: bytes, kind: str
) -> None:
    path = tmp_path / "checkpoint.tar"
    path.write_bytes(content)
    assert refused(path).startswith(f"{path} is {kind}")
    assert "is not a file" in refused(tmp_path / "absent.tar")


def test_a_different_digest_is_refused_before_loading(tmp_path: Path) -> None:
    path = saved(tmp_path, {"learner_state": {"model": weights()}})
    assert sha256_of(path) in refused(path, sha256="0" * 64)


def test_invalid_values_are_refused(tmp_path: Path) -> None:
    state = weights()
    state["policy.bias"][3] = float("nan")
    state["crop.width_grid"] = state["crop.width_grid"] + 0.01
    message = refused(saved(tmp_path, {"learner_state": {"model": state}}))
    assert "policy.bias, crop.width_grid" in message


def test_the_commands_use_the_papers_size_by_default(tmp_path: Path) -> None:
    path = saved(tmp_path, {"learner_state": {"model": weights()}})
    result = CliRunner().invoke(app, ["import-policy", str(path), str(tmp_path / "policy.safetensors")])
    assert isinstance(result.exception, PolicyFileError)
    assert "network.hidden is 1738 in the experiment, 6 in the file" in str(result.exception)
    wrong = CliRunner().invoke(
        app, ["export-policy", str(path), str(tmp_path / "out"), "--experiment", "nethak"]
    )
    assert "Did you mean 'nethack'?" in str(wrong.exception)
