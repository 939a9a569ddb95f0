"""APPO through Sample Factory on real NetHack games, with a very small network."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest
import torch
from torch import Tensor

from fpc.core.checkpoint import NoUsableCheckpoint, load_checkpoint, save_checkpoint
from fpc.core.files import read_tensors, write_tensors
from fpc.core.milestones import milestone_path
from fpc.learners.appo.actor_critic import RecurrentActorCritic
from fpc.learners.appo.schedule import LinearSchedule
from fpc.learners.appo.settings import settings
from fpc.learners.appo.train import TrainingFailed, train_job
from fpc.learners.interface import Trained
from fpc.learners.recurrence import unroll
from tests.learners import appo_job
from tests.learners.appo_job import ENVIRONMENT, job, start, streamed_games

KICKSTARTING = {"method": "kickstarting", "options": {"coefficient": 0.5, "decay": 0.9, "floor": 0.2}}


def run(work: Any) -> Trained:
    return train_job(work, lambda step, total, **measures: None)


def encoder(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    late = ("core.", "policy.", "baseline.")
    return {name: value for name, value in weights.items() if not name.startswith(late)}


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture(scope="module")
def pi_star(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of an untrained network with non-trivial BatchNorm statistics."""
    folder = tmp_path_factory.mktemp("pi_star")
    network = job(folder).make_network()
    generator = torch.Generator().manual_seed(0)
    for name, value in network.state_dict().items():
        if name.endswith("running_mean"):
            value.copy_(torch.randn(value.shape, generator=generator) * 0.1)
    write_tensors(folder / "policy.safetensors", network.state_dict())
    return folder / "policy.safetensors"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, pi_star: Path) -> Trained:
    return run(job(tmp_path_factory.mktemp("undisturbed"), initial=str(pi_star), **KICKSTARTING))


def kill_after(work: Any, step: int) -> int:
    """Train in another process and kill it once a checkpoint is at ``step`` or later; return its step."""
    process = start(work)
    deadline = time.monotonic() + 120
    while _step(work.checkpoints) < step:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return _step(work.checkpoints)


def test_a_kill_changes_nothing(tmp_path: Path, pi_star: Path, undisturbed: Trained) -> None:
    work = job(tmp_path, initial=str(pi_star), **KICKSTARTING)
    assert kill_after(work, 200) < 640
    resumed = run(work)
    assert same(resumed.policy, undisturbed.policy)
    assert same(resumed.critic, undisturbed.critic)
    pd.testing.assert_frame_equal(resumed.table, undisturbed.table)


def test_a_kill_changes_nothing_while_reading_expert_games(tmp_path: Path, pi_star: Path) -> None:
    """Streams and the LSTM states of pi* and the student along them are part of the method's state."""
    expert = streamed_games(tmp_path) | {
        "method": "behavioral_cloning",
        "options": {"coefficient": 1.0, "batch_size": 16},
        "initial": str(pi_star),
        "steps": 320,
    }
    undisturbed = run(job(tmp_path / "undisturbed", **expert))
    work = job(tmp_path / "killed", **expert)
    assert kill_after(work, 96) < 320
    checkpoint = load_checkpoint(work.checkpoints)
    assert checkpoint is not None
    changing = {"sampler.source.taken", "sampler.teacher_state", "student_state", "generator"}
    assert {f"method.{name}" for name in changing} <= set(checkpoint.tensors)
    resumed = run(work)
    assert same(resumed.policy, undisturbed.policy)
    pd.testing.assert_frame_equal(resumed.table, undisturbed.table)


def _step(folder: Path) -> int:
    return max((int(path.stem.split("_")[1]) for path in folder.glob("checkpoint_*.json")), default=0)


def test_only_the_core_and_the_heads_are_trained(pi_star: Path, undisturbed: Trained) -> None:
    before = read_tensors(pi_star)
    assert same(encoder(before), encoder(undisturbed.policy))
    for name in ("core.weight_ih_l0", "policy.weight", "baseline.weight"):
        assert not torch.equal(before[name], undisturbed.policy[name])


def test_metrics_contain_episodes_and_the_learning_rate(undisturbed: Trained) -> None:
    table = undisturbed.table
    assert list(table.columns) == ["step", "seed", "metric", "value"]
    assert {"return", "length", "depth", "turns", "penalty", "entropy"} <= set(table["metric"])
    rates = table[table["metric"] == "learning_rate"]
    assert rates["value"].iloc[0] == pytest.approx(1e-3)
    assert undisturbed.table["step"].max() <= 640


def test_the_first_visit_to_a_far_probe_is_logged_once(undisturbed: Trained, tmp_path: Path) -> None:
    """Games start on level 1, here the Far level: visited in the first batch, which begins at step 1."""
    visits = undisturbed.table[undisturbed.table["metric"].str.startswith("first_visit_")]
    assert visits[["step", "metric", "value"]].values.tolist() == [[1, "first_visit_level_1", 1.0]]
    deeper = {"environment": ENVIRONMENT, "far_level": 40}
    table = run(job(tmp_path, steps=64, environment_arguments=deeper)).table
    assert not table["metric"].str.startswith("first_visit_").any()


def test_visits_in_the_warm_up_do_not_count(tmp_path: Path, pi_star: Path) -> None:
    """96 steps of warm-up, 24 in each of 4 environments: batches of 32 steps that are thrown away."""
    warm_up: dict[str, Any] = {"steps": 160, "initial": str(pi_star), "appo": {"warm_up_steps": 96}}
    always = run(job(tmp_path / "always", **warm_up)).table
    visits = always[always["metric"].str.startswith("first_visit_")]
    assert visits[["step", "metric", "value"]].values.tolist() == [[97, "first_visit_level_1", 97.0]]
    early = {"environment": f"{appo_job.__name__}:visiting_early", "environment_arguments": {"visits": 20}}
    table = run(job(tmp_path / "early", **warm_up, **early)).table
    assert not table["metric"].str.startswith("first_visit_").any()
    later = {**early, "environment_arguments": {"visits": 30}}  # steps 25 to 32 are in the first update
    table = run(job(tmp_path / "later", **warm_up, **later)).table
    assert table.loc[table["metric"] == "first_visit_level_1", "step"].tolist() == [97]


def test_every_batch_is_one_update(tmp_path: Path, pi_star: Path) -> None:
    work = job(tmp_path, steps=64, initial=str(pi_star))
    run(work)
    checkpoint = load_checkpoint(work.checkpoints)
    assert checkpoint is not None
    assert checkpoint.state["train_step"] == 2


def test_the_learning_rate_decreases_linearly_to_zero() -> None:
    rates = [LinearSchedule(0.4, 4, update.__index__).update(0.0, None) for update in range(6)]
    assert rates == pytest.approx([0.4, 0.3, 0.2, 0.1, 0.0, 0.0])


def test_moving_statistics_are_all_that_changes_in_the_encoder(tmp_path: Path, pi_star: Path) -> None:
    trained = run(job(tmp_path, steps=64, initial=str(pi_star), appo={"batch_norm": "moving"}))
    before, after = encoder(read_tensors(pi_star)), encoder(trained.policy)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert all(
        name.rpartition(".")[2] in ("running_mean", "running_var", "num_batches_tracked") for name in moved
    )


def test_critic_pretraining_does_not_change_the_policy(tmp_path: Path, pi_star: Path) -> None:
    trained = run(job(tmp_path, steps=96, trainable="critic", initial=str(pi_star)))
    before = read_tensors(pi_star)
    moved = {name for name in before if not torch.equal(before[name], trained.policy[name])}
    assert moved == {"baseline.weight", "baseline.bias"}
    assert {"baseline.weight", "baseline.bias"} < set(trained.critic)
    write_tensors(tmp_path / "critic.safetensors", trained.critic)
    work = job(
        tmp_path / "next", steps=32, initial=str(pi_star), critic=str(tmp_path / "critic.safetensors"),
        milestones=(0,),
    )  # fmt: skip
    run(work)
    first = milestone(work, 0)
    assert torch.equal(first["baseline.weight"], trained.critic["baseline.weight"])


def test_the_warm_up_only_samples(tmp_path: Path, pi_star: Path) -> None:
    work = job(
        tmp_path, steps=128, initial=str(pi_star), appo={"warm_up_steps": 96},
        milestones=(0, 96, 128),
    )  # fmt: skip
    run(work)
    first, still, last = (milestone(work, step) for step in (0, 96, 128))
    assert same(first, still)
    assert not same(still, last)


def test_a_corrupt_checkpoint_is_skipped(
    tmp_path: Path, pi_star: Path, caplog: pytest.LogCaptureFixture
) -> None:
    work = job(tmp_path, steps=96, initial=str(pi_star))
    expected = run(work)
    newest, older = sorted(work.checkpoints.glob("*.safetensors"), reverse=True)
    newest.write_bytes(newest.read_bytes()[:-100])
    again = run(work)
    assert "trying the previous one" in caplog.text
    assert same(again.policy, expected.policy)
    for path in work.checkpoints.glob("*.safetensors"):
        path.write_bytes(b"nothing")
    with pytest.raises(NoUsableCheckpoint, match="none of the 2 checkpoints"):
        run(work)
    assert older.exists()


def test_the_teachers_state_is_carried_alongside_the_students(tmp_path: Path, pi_star: Path) -> None:
    """The teacher's logits are those of pi* alone, however the student has changed."""
    work = job(tmp_path, initial=str(pi_star), **KICKSTARTING)
    environment = work.make_environment(0)
    model = RecurrentActorCritic(environment.observation_space, environment.action_space, settings(work, 16))
    weights = read_tensors(pi_star)
    model.network.load_state_dict(weights)
    model.teacher.load_state_dict(weights)
    with torch.no_grad():
        model.network.policy.weight.mul_(2)
        model.network.core.weight_hh_l0.mul_(0.5)
    observation, _ = environment.reset()
    observations = []
    for action in (1, 5, 9):
        observations.append({key: torch.from_numpy(value)[None] for key, value in observation.items()})
        observation, *_ = environment.step(action)
    state = torch.zeros(1, 4 * 16)
    logits = []
    for given in observations:
        output, state = model.forward_core(model.forward_head(given), state)
        result = model.forward_tail(output, values_only=False, sample_actions=False)
        assert model.teacher_outputs is not None
        logits.append((result["action_logits"], model.teacher_outputs))
    alone = work.make_network()
    alone.load_state_dict(weights)
    alone.eval()
    with torch.no_grad():
        features = torch.stack([alone.encode(given) for given in observations])
        hidden, _ = unroll(alone.core, features, torch.zeros(3, 1, dtype=torch.bool), torch.zeros(1, 32))
        expected = alone.policy(hidden)[:, 0]
    torch.testing.assert_close(torch.cat([teacher for _, teacher in logits]), expected)
    assert not torch.allclose(torch.cat([student for student, _ in logits]), expected)


def test_asynchronous_runs_finish_and_resume(tmp_path: Path, pi_star: Path) -> None:
    appo = {"asynchronous": True, "workers": 1, "splits": 2}
    work = job(
        tmp_path, steps=320, initial=str(pi_star), appo=appo,
        milestones=(0, 320), **KICKSTARTING,
    )  # fmt: skip
    trained = run(work)
    before = milestone(work, 0)
    assert same(before, read_tensors(pi_star))
    assert not torch.equal(before["policy.weight"], trained.policy["policy.weight"])
    assert {"return", "first_visit_level_1"} <= set(trained.table["metric"])
    longer = job(tmp_path, **{**_changes(work), "steps": 640})
    assert run(longer).table["step"].max() > 320


def milestone(work: Any, step: int) -> dict[str, torch.Tensor]:
    """Weights that the learner kept at a milestone."""
    return read_tensors(milestone_path(Path(work.state), step))


def _changes(work: Any) -> dict[str, Any]:
    values = work.values()
    return {**values, "milestones": tuple(values["milestones"]), "appo": values["appo"]}


def test_a_learner_that_fails_in_its_own_process_reports_why(tmp_path: Path, pi_star: Path) -> None:
    """Without checking that processes are alive, Sample Factory would wait for minutes."""
    appo = {"asynchronous": True, "workers": 1, "splits": 2}
    work = job(tmp_path, initial=str(pi_star), appo=appo, critic=str(tmp_path / "nothing.safetensors"))
    begin = time.monotonic()
    with pytest.raises(TrainingFailed, match=r"nothing\.safetensors"):
        run(work)
    assert time.monotonic() - begin < 120


def test_processes_end_with_their_parent(tmp_path: Path, pi_star: Path) -> None:
    appo = {"asynchronous": True, "workers": 1, "splits": 2}
    work = job(tmp_path, steps=10**6, initial=str(pi_star), appo=appo)
    process = start(work)
    deadline = time.monotonic() + 120
    while _step(work.checkpoints) == 0:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) >= 3
    process.send_signal(signal.SIGKILL)
    process.wait()
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path, pi_star: Path) -> None:
    run(job(tmp_path, steps=64, initial=str(pi_star)))
    work = job(tmp_path, steps=96, initial=str(pi_star))
    checkpoint = load_checkpoint(work.checkpoints)
    assert checkpoint is not None
    tensors = dict(checkpoint.tensors)
    tensors["model.earlier.weight"] = tensors.pop("model.network.policy.weight")
    save_checkpoint(work.checkpoints, checkpoint.step, tensors, checkpoint.state)
    with pytest.raises(
        NoUsableCheckpoint, match=r"earlier\.weight, network\.policy\.weight\); delete .*state"
    ):
        run(work)
