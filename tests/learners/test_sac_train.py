"""Whole runs of Soft Actor-Critic on a tiny task: it learns, and a kill leaves no trace.

Run as a script, this file trains and kills itself with SIGKILL at a given environment step.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

from fpc.core.checkpoint import load_checkpoint
from fpc.learners.interface import Trained, Weights
from fpc.learners.sac import SAC, SACSpecification
from fpc.learners.sac.networks import Actor
from fpc.learners.sac.options import SACOptions
from fpc.learners.sac.train import Session
from fpc.retention.behavioral_cloning import BehavioralCloning
from fpc.retention.ewc import EWC, EWCOptions
from fpc.retention.expert_data import ExpertDataset
from fpc.retention.interface import RetentionBatch, RetentionContext, RetentionMethod

STAGES, LIMIT = 2, 30
OPTIONS = SACOptions(
    hidden_sizes=(32, 32),
    batch_size=64,
    buffer_size=1_000,
    random_steps=300,
    update_after=200,
    update_every=50,
    updates_per_round=40,
    target_entropy=-1.0,
    initial_temperature=0.1,
    gamma=0.95,
)


class ThereAndBack(gymnasium.Env[np.ndarray, np.ndarray]):
    """A point on a line: first beyond 0.5 (stage 0), then beyond -0.5 (stage 1)."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (2 + STAGES,), np.float32)
    action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self, die_at: int | None = None) -> None:
        self.die_at, self.steps = die_at, 0
        self.seeds: list[int] = []
        self.entered = {0: 0}  # stage -> step at which it was first entered

    def _observation(self) -> np.ndarray:
        return np.array([self.place, self.time / LIMIT, self.stage == 0, self.stage != 0], np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.seeds.append(int(seed or 0))
        self.place, self.time, self.stage = float(self.np_random.uniform(-0.2, 0.2)), 0, 0
        return self._observation(), {"visited": f"stage_{self.stage}"}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        if self.steps == self.die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        direction = 1 if self.stage == 0 else -1
        moved = 0.2 * float(action[0])
        self.place, self.time = float(np.clip(self.place + moved, -1, 1)), self.time + 1
        solved = direction * self.place > 0.5
        self.stage += solved
        over = self.stage == STAGES or self.time == LIMIT
        reward = 5 * direction * moved + 5 * solved
        info = {"value_terminal": bool(solved or over), "stages_solved": self.stage}
        if self.stage < STAGES:
            info["visited"] = f"stage_{self.stage}"
            self.entered.setdefault(self.stage, self.steps)
        info["success"] = self.stage == STAGES
        if solved and not over:  # the value function sees the stage that ended
            return self._observation(), reward, False, False, info
        return self._observation(), reward, over, False, info


class CloningWithMemory(BehavioralCloning):
    """Has all that a resume must restore: a generator of its own draws and protected transitions."""

    def prepare(self, context: RetentionContext) -> None:
        super().prepare(context)
        if context.replay_buffer is not None and context.expert is not None:
            transitions = {name: value[:50] for name, value in context.expert.transitions().items()}
            context.replay_buffer.protect(transitions, 0.125)

    def load_state_dict(self, state: Any, context: RetentionContext) -> None:
        super().prepare(context)
        self.generator.set_state(state["generator"])


def expert_data() -> ExpertDataset:
    rng = torch.Generator().manual_seed(9)
    observations = torch.randn(100, 2 + STAGES, generator=rng)
    observations[:, -STAGES:] = torch.eye(STAGES)[torch.arange(100) % STAGES]
    return ExpertDataset(
        {
            "observations": observations,
            "outputs": torch.tensor([0.5, -1.0]).repeat(100, 1),
            "action": torch.full((100, 1), 0.5),
            "reward": torch.zeros(100),
            "next_observations": observations.flip(0),
            "terminated": torch.zeros(100),
        }
    )


def specification_of(
    state: Path, steps: int, environment: ThereAndBack | None = None, **changes: Any
) -> SACSpecification:
    arguments: dict[str, Any] = {
        "stages": STAGES,
        "steps": steps,
        "seeds": (3,),
        "state": state,
        "report": lambda step, total, **measures: None,
        "checkpoint_seconds": 0.0,
    }
    arguments |= {"environment": environment or ThereAndBack(), "options": OPTIONS}
    return SACSpecification(**{**arguments, **changes})


def run(state: Path, steps: int, environment: ThereAndBack | None = None, **changes: Any) -> Trained:
    return SAC().train(specification_of(state, steps, environment, **changes))


def run_with_memory(state: Path, die_at: int | None = None, **changes: Any) -> Trained:
    method = CloningWithMemory(BehavioralCloning.Options(coefficient=0.01, batch_size=16))
    return run(state, 1_500, ThereAndBack(die_at), method=method, expert=expert_data(), **changes)


def weights(trained: Trained) -> dict[str, torch.Tensor]:
    found = {f"actor.{name}": value for name, value in trained.policy.items()}
    return found | {f"critics.{name}": value for name, value in trained.critic.items()}


def assert_equal_to_the_bit(one: Trained, other: Trained) -> None:
    ours, theirs = weights(one), weights(other)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []
    assert one.table.equals(other.table)


def test_it_learns_both_stages(tmp_path: Path) -> None:
    reported: list[dict[str, float]] = []
    trained = run(tmp_path, 4_000, report=lambda step, total, **measures: reported.append(measures))
    episodes = trained.table[trained.table["metric"] == "success"]["value"]
    assert episodes.iloc[:5].mean() < 0.5
    assert episodes.iloc[-20:].mean() > 0.9
    assert trained.finished
    assert reported[0] == {}  # where the run begins
    assert {"return", "length", "success", "stages_solved"} == set(reported[1])
    recorded = set(trained.table["metric"])
    assert {"critic_loss", "actor_loss", "temperature_0", "temperature_1", "updates"} <= recorded
    assert dict(trained.table.dtypes.astype(str)) == {
        "step": "int64",
        "seed": "int64",
        "metric": "object",
        "value": "float64",
    }


def test_a_killed_run_continues_to_the_same_bits(tmp_path: Path) -> None:
    whole = run_with_memory(tmp_path / "whole")
    killed = tmp_path / "killed"
    for die_at in (700, 450):  # in the middle of an episode and of the updates
        done = subprocess.run([sys.executable, __file__, str(killed), str(die_at)], check=False, timeout=120)
        assert done.returncode == -signal.SIGKILL
    checkpoint = load_checkpoint(killed)
    assert checkpoint is not None
    assert 700 < checkpoint.step < 700 + 450
    milestones: list[int] = []
    continued = run_with_memory(
        killed, milestones=(0, 600, 1_300), on_milestone=lambda step, policy, critic: milestones.append(step)
    )
    assert milestones == [1_300]
    assert_equal_to_the_bit(whole, continued)


def test_a_finished_run_gives_the_same_again_without_a_step(tmp_path: Path) -> None:
    first = run(tmp_path, 700)
    environment = ThereAndBack()
    again = run(tmp_path, 700, environment)
    assert environment.steps == 0
    assert_equal_to_the_bit(first, again)


def test_stopping_leaves_a_checkpoint_and_says_so(tmp_path: Path) -> None:
    episodes = iter([False, False, True])
    stopped = run(tmp_path / "stopped", 900, stop=lambda: next(episodes), checkpoint_seconds=1e9)
    assert not stopped.finished
    continued = run(tmp_path / "stopped", 900)
    assert continued.finished
    assert_equal_to_the_bit(run(tmp_path / "whole", 900), continued)


def test_milestones_come_at_exact_steps_with_the_weights_of_then(tmp_path: Path) -> None:
    seen: dict[int, torch.Tensor] = {}

    def keep(step: int, policy: Weights, critic: Weights) -> None:
        seen[step] = policy["head_weight"].clone()

    trained = run(tmp_path, 400, milestones=(0, 199, 250, 400), on_milestone=keep)
    assert list(seen) == [0, 199, 250, 400]
    assert torch.equal(seen[0], seen[199])  # updates begin at step 200
    assert not torch.equal(seen[199], seen[250])
    assert torch.equal(seen[400], trained.policy["head_weight"])


def test_every_episode_has_a_seed_of_its_own(tmp_path: Path) -> None:
    environment = ThereAndBack()
    run(tmp_path, 300, environment)
    word = int.from_bytes(hashlib.sha256(b"finetune").digest()[:4], "little")
    drawn = [
        np.random.SeedSequence([3, 0, word, 0, n, 0, 3]).generate_state(1)[0]
        for n in range(len(environment.seeds))
    ]
    assert environment.seeds == drawn
    assert len(set(drawn)) == len(drawn) > 5


def test_the_first_visit_of_each_stage_is_logged_once_with_its_step(tmp_path: Path) -> None:
    environment = ThereAndBack()
    table = run(tmp_path, 600, environment).table
    assert len(environment.entered) == STAGES
    rows = table[table["metric"].str.startswith("first_visit_")]
    assert list(rows["step"]) == list(rows["value"])
    visits = dict(zip(rows["metric"], rows["step"], strict=True))
    assert visits == {f"first_visit_stage_{stage}": step for stage, step in environment.entered.items()}


def test_phases_share_no_episode_and_methods_share_all(tmp_path: Path) -> None:
    seeds = {}
    for name, more in {
        "pretrain": {"phase": "pretrain"},
        "finetune": {"phase": "finetune"},
        "with a method": {"phase": "finetune", "method": Recorder(None)},
    }.items():
        environment = ThereAndBack()
        run(tmp_path / name, 300, environment, **more)
        seeds[name] = environment.seeds
    assert seeds["with a method"] == seeds["finetune"]
    assert not set(seeds["pretrain"]) & set(seeds["finetune"])


def test_ewc_takes_pi_stars_fisher_information_also_if_heads_are_reset(tmp_path: Path) -> None:
    """The trunk's Fisher information depends on the heads: the method is prepared before they are reset."""
    pi_star = run(tmp_path / "pi_star", 300).policy
    found, heads = [], []
    for reset in (False, True):
        method = EWC(EWCOptions(coefficient=1.0, fisher_samples=64, fisher_floor=0.0))
        options = OPTIONS.model_copy(update={"reset_heads": reset})
        given = {"initial_policy": pi_star, "method": method, "expert": expert_data(), "options": options}
        trained = run(tmp_path / str(reset), 1, **given)
        found.append(method.state_dict())
        heads.append(trained.policy["head_weight"])
    assert not torch.equal(*heads)
    for name in ("fisher", "anchors"):
        assert torch.equal(found[0][name], found[1][name])
    assert found[0]["fisher"].max() > 0


def test_fine_tuning_starts_from_what_it_is_given(tmp_path: Path) -> None:
    first = run(tmp_path / "first", 300)
    given = {"initial_policy": first.policy, "initial_critic": first.critic, "known_stages": (0, 1)}
    seen: list[tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]] = []

    def start(options: SACOptions) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        def keep(step: int, *weights: Weights) -> None:
            policy, critic = ({k: v.clone() for k, v in part.items()} for part in weights)
            seen.append((policy, critic))

        state = tmp_path / f"start_{len(seen)}"
        run(state, 1, options=options, seeds=(4,), milestones=(0,), on_milestone=keep, **given)
        return seen[-1]

    actor, critics = start(OPTIONS)
    assert all(torch.equal(value, given["initial_policy"][name]) for name, value in actor.items())
    assert all(torch.equal(value, given["initial_critic"][name]) for name, value in critics.items())
    actor, critics = start(OPTIONS.model_copy(update={"reset_heads": True, "reset_critic": True}))
    assert torch.equal(actor["trunk.1.weight"], given["initial_policy"]["trunk.1.weight"])
    assert not torch.equal(actor["head_weight"], given["initial_policy"]["head_weight"])
    assert not torch.equal(critics["weights.0"], given["initial_critic"]["weights.0"])


def test_temperatures_are_pi_stars_in_known_stages_and_the_configured_one_in_new_ones(tmp_path: Path) -> None:
    first = run(tmp_path / "first", 400)
    learned = first.critic["log_temperature"].exp()
    assert all(abs(value - 0.1) > 1e-4 for value in learned.tolist())
    given = {"initial_policy": first.policy, "initial_critic": first.critic, "known_stages": (1,)}
    for name, options in {
        "kept": OPTIONS.model_copy(update={"initial_temperature": 0.7}),
        "new critics": OPTIONS.model_copy(update={"initial_temperature": 0.7, "reset_critic": True}),
    }.items():
        found = run(tmp_path / name, 1, options=options, **given).critic["log_temperature"].exp()
        assert found.tolist() == pytest.approx([0.7, learned[1].item()])


def test_only_a_run_from_scratch_begins_at_random(tmp_path: Path) -> None:
    """The first action of a fine-tuned run is the policy's own, although 300 random steps are configured."""
    first = run(tmp_path / "first", 300)
    squashed = {**first.policy, "head_weight": torch.zeros_like(first.policy["head_weight"])}
    squashed["head_bias"] = torch.tensor([[20.0, -20.0]]).repeat(STAGES, 1)  # always the action 1

    class Watched(ThereAndBack):
        def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
            actions.append(float(action[0]))
            return super().step(action)

    actions: list[float] = []
    run(tmp_path / "tuned", 100, Watched(), initial_policy=squashed)
    assert actions == [1.0] * 100
    actions.clear()
    run(tmp_path / "scratch", 100, Watched())
    assert len(set(actions)) == 100


def test_the_replay_buffer_begins_with_given_transitions_and_forgets_them(tmp_path: Path) -> None:
    options = OPTIONS.model_copy(update={"buffer_size": 100, "update_after": 10_000})
    given = {
        "observation": torch.full((60, 4), 7.0),
        "action": torch.full((60, 1), 7.0),
        "reward": torch.full((60,), 7.0),
        "next_observation": torch.full((60, 4), 7.0),
        "terminated": torch.zeros(60),
    }
    for steps, left in ((0, 60), (40, 60), (70, 30), (200, 0)):
        session = Session(
            specification_of(tmp_path / str(steps), steps, options=options, initial_transitions=given)
        )
        session.start()
        while session.step < steps:
            session.run_episode(steps)
        assert int((session.buffer.rows[:, 0] == 7).sum()) == left
        assert session.buffer.protected == 0


class Recorder(RetentionMethod):
    """Notes what it is given and adds nothing."""

    def prepare(self, context: RetentionContext) -> None:
        self.context, self.updates = context, []

    def penalty(self, batch: RetentionBatch) -> None:
        same = torch.equal(batch.outputs, batch.student.outputs(batch.observations))
        close = torch.allclose(batch.outputs, batch.student.outputs(batch.observations), atol=1e-5)
        self.updates.append((batch.update, same or close))


def test_methods_see_every_update_and_a_frozen_teacher(tmp_path: Path) -> None:
    teacher = Actor(2 + STAGES, 1, STAGES, OPTIONS, torch.Generator().manual_seed(1))
    method = Recorder(None)
    with_method = run(tmp_path / "with", 300, method=method, teacher=teacher.state_dict())
    assert method.updates == [(number, True) for number in range(3 * OPTIONS.updates_per_round)]
    assert isinstance(method.context.teacher, Actor)
    assert not any(value.requires_grad for value in method.context.teacher.parameters())
    assert_equal_to_the_bit(with_method, run(tmp_path / "without", 300))


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"action_space": gymnasium.spaces.Box(-2, 2, (1,))}, "RescaleAction"),
        ({"observation_space": gymnasium.spaces.Box(-1, 1, (2,))}, "cannot end in 2 stages"),
        ({"observation_space": gymnasium.spaces.Discrete(3)}, "one dimension"),
    ],
)
def test_environments_that_break_the_contract_are_refused(
    tmp_path: Path, space: dict[str, gymnasium.Space[Any]], message: str
) -> None:
    environment = ThereAndBack()
    vars(environment).update(space)
    with pytest.raises(ValueError, match=message):
        run(tmp_path, 10, environment)


if __name__ == "__main__":
    run_with_memory(Path(sys.argv[1]), int(sys.argv[2]))
