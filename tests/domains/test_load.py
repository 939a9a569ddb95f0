"""Policies are loaded whole from artifacts' folders, and only if they are those of the manifest."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.domains.saved_policies import STEP, write_policies

from fpc.core.errors import DataError
from fpc.core.files import read_tensors
from fpc.core.milestones import milestone_path
from fpc.domains.load import PolicyError, policy, portable

EXPERIMENTS = ("apple_retrieval", "robotic_sequence", "nethack", "montezuma")


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_milestones_differ_from_pi_star_by_what_was_changed(experiment: str) -> None:
    pi_star, tuned = write_policies(experiment)
    original, first, last = (
        policy(pi_star).state_dict(),
        policy(tuned, 0).state_dict(),
        policy(tuned).state_dict(),
    )
    assert all(torch.equal(original[name], first[name]) for name in original)
    (changed,) = (name for name in original if not torch.equal(original[name], last[name]))
    torch.testing.assert_close(last[changed], original[changed] + 1)
    assert not any(value.requires_grad for value in policy(tuned).parameters())


@pytest.mark.usefixtures("project")
def test_nethacks_milestone_is_completed_by_the_pi_star_of_its_manifest() -> None:
    pi_star, tuned = write_policies("nethack")
    assert len(read_tensors(milestone_path(tuned, STEP))) == 1, "it holds what differs"
    path = pi_star / "manifest.json"
    path.write_text(path.read_text() + "\n")
    with pytest.raises(PolicyError, match=r"is not that of the pi\* that .*vanilla.* was made from"):
        policy(tuned)


@pytest.mark.usefixtures("project")
def test_errors_say_what_to_do(tmp_path: Path) -> None:
    pi_star, tuned = write_policies("montezuma")
    with pytest.raises(PolicyError, match=r"no milestone at step 7\. Allowed: 0, 20\."):
        policy(tuned, 7)
    with pytest.raises(PolicyError, match=r"pi\* has no milestones"):
        policy(pi_star, 0)
    with pytest.raises(PolicyError, match=r"collect makes no policy; give a folder of pretrain or finetune"):
        policy("results/laptop/montezuma/collect/seed_0")
    with pytest.raises(PolicyError, match=r"manifest.json is not here; give the folder of a run"):
        policy(tmp_path / "nowhere")
    path = milestone_path(tuned, STEP)
    content = path.read_bytes()
    path.unlink()
    with pytest.raises(PolicyError, match=rf"fetch it \(dvc pull {path}\), or make the run again"):
        policy(tuned)
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(DataError, match="its manifest says"):
        policy(tuned)
    with pytest.raises(PolicyError, match=r"'chess' has no portable\.py"):
        portable("chess")
