"""Attempts recorded from weights: which milestone, which rows, and where they come from without weights."""

from __future__ import annotations

import json
import math
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from fpc.core.errors import DataError
from fpc.core.files import sha256_of, write_tensors
from fpc.domains.recording import Published, Runs
from fpc.domains.robotic_sequence.collecting import new_actor
from fpc.domains.robotic_sequence.config import RoboticSequenceExperiment
from fpc.domains.robotic_sequence.environment import RoboticSequence
from fpc.domains.robotic_sequence.expert import run_episode
from fpc.domains.robotic_sequence.policies import deterministic
from fpc.domains.robotic_sequence.probes import make_start_states
from fpc.domains.robotic_sequence.recorded_tables import COLUMNS, attempts, lost_far
from fpc.figures.embedded import csv_text

PROBE = "1_drawer-close"
Success = dict[int, tuple[float, float]]  # step -> success of seeds 0 and 1


def episodes_of(success: Success, probe: str = PROBE, method: str = "vanilla") -> pd.DataFrame:
    """Two episodes per seed and step, with these success rates (0, .5 or 1)."""
    rows = [
        (method, seed, step, probe, "far", "success", float(episode < 2 * rate))
        for step, rates in success.items()
        for seed, rate in enumerate(rates)
        for episode in range(2)
    ]
    return pd.DataFrame(rows, columns=["method", "seed", "step", "probe", "group", "measure", "value"])


def visits_of(*steps: float, probe: str = PROBE, method: str = "vanilla") -> pd.DataFrame:
    """The first visit of each seed."""
    rows = [(method, seed, f"first_visit_{probe}", step) for seed, step in enumerate(steps)]
    return pd.DataFrame(rows, columns=["method", "seed", "metric", "value"])


FALLS: Success = {0: (0.0, 0.0), 10: (1.0, 0.5), 20: (0.5, 0.0), 30: (0.0, 0.5), 40: (0.0, 0.0)}


@pytest.mark.parametrize(
    ("visits", "step"),
    [
        ((41.0, 50.0), 40),
        ((40.0, 50.0), 20),  # 20 and 30 have the same mean, 1/4; 40 is not before the visit
        ((50.0, 40.0), 20),  # whichever seed was there
        ((30.0, math.nan), 20),
        ((15.0, math.nan), 10),
        ((math.nan, math.nan), 40),  # never
        ((10.0, 10.0), 10),  # none before: the first one after pi*
        ((), 40),  # not logged
    ],
)
def test_the_milestone_is_vanillas_worst_before_any_seed_was_there(
    visits: tuple[float, ...], step: int
) -> None:
    assert lost_far(episodes_of(FALLS), visits_of(*visits)) == (PROBE, step)


def test_the_first_far_stage_of_vanilla_alone_decides() -> None:
    later = episodes_of({10: (0.0, 0.0)}, "10_reach")
    other = episodes_of({10: (1.0, 1.0), 40: (0.0, 0.0)}, PROBE, "behavioral_cloning")
    close = episodes_of({10: (0.0, 0.0)}, "0_reach").assign(group="close")
    returns = episodes_of({10: (0.0, 0.0)}).assign(measure="return")
    visits = pd.concat([visits_of(35.0), visits_of(1.0, probe="10_reach"), visits_of(2.0, method="ewc")])
    rows = pd.concat([later, other, close, returns, episodes_of(FALLS)])
    assert lost_far(rows, visits) == (PROBE, 20)


def test_without_a_milestone_of_vanilla_there_is_none() -> None:
    for rows in (episodes_of({0: (1.0, 1.0)}), episodes_of(FALLS, method="ewc"), episodes_of({})):
        assert lost_far(rows, visits_of()) is None


@pytest.fixture
def published(tmp_path: Path, tiny_experiment: RoboticSequenceExperiment) -> dict[str, Published]:
    """Runs with untrained policies, each with other weights."""
    sequence = RoboticSequence(tiny_experiment.environment)
    found = {}
    for number, phase in enumerate(("pretrain", "collect", "vanilla", "behavioral_cloning")):
        folder = tmp_path / phase
        torch.manual_seed(number)
        weights = new_actor(sequence, tiny_experiment.pretrain.sac).state_dict()
        name = "milestones/step_20.safetensors"
        if phase == "collect":
            name = "start_states.json"
            folder.mkdir()
            (folder / name).write_text(json.dumps(make_start_states(sequence, 2, 5)))
        elif phase == "pretrain":
            name = "policy.safetensors"
            write_tensors(folder / name, weights)
        else:
            write_tensors(folder / name, {f"actor.{key}": value for key, value in weights.items()})
        found[phase] = Published(folder, {name: sha256_of(folder / name)})
    return found


def runs_of(published: dict[str, Published]) -> Runs:
    """In the order of a run table."""
    return {
        ("pretrain", None): published["pretrain"],
        ("collect", None): published["collect"],
        ("finetune", "vanilla"): published["vanilla"],
        ("finetune", "behavioral_cloning"): published["behavioral_cloning"],
    }


# Seed 0 is shown, whatever seed 1 does.
TABLES = {"episodes": episodes_of(FALLS), "training": visits_of(25.0, 5.0)}


def test_each_policy_plays_from_the_same_start_state(
    tiny_experiment: RoboticSequenceExperiment, published: dict[str, Published]
) -> None:
    found = attempts(tiny_experiment, TABLES, runs_of(published), None)
    assert tuple(found) == COLUMNS
    assert found["policy"].tolist() == ["pi_star", "vanilla", "behavioral_cloning"]
    assert found["step"].tolist() == [0, 20, 20]
    assert found["start_seed"].nunique() == found["digest"].nunique() == found["probe"].nunique() == 1
    files = ["policy.safetensors", *["milestones/step_20.safetensors"] * 2]
    shown = ("pretrain", "vanilla", "behavioral_cloning")
    assert found["weights"].tolist() == [
        published[phase].digests[name] for phase, name in zip(shown, files, strict=True)
    ]
    sequence = RoboticSequence(tiny_experiment.environment)
    for number, row in zip((0, 2, 3), found.itertuples(), strict=True):
        torch.manual_seed(number)
        actor = new_actor(sequence, tiny_experiment.pretrain.sac)
        played = run_episode(sequence, deterministic(actor), (1,), row.start_seed)
        assert (row.success, row.length) == (played.solved[0], played.length)
        actions = np.frombuffer(bytes.fromhex(row.actions), "<f4").reshape(-1, 4)
        first, _ = sequence.reset(seed=row.start_seed, options={"stages": (1,)})
        assert len(actions) == row.length
        assert np.array_equal(actions[0], deterministic(actor)(first))


def test_without_weights_the_rows_published_earlier_are_taken(
    tiny_experiment: RoboticSequenceExperiment, published: dict[str, Published]
) -> None:
    runs = runs_of(published)
    recorded = attempts(tiny_experiment, TABLES, runs, None)
    earlier = pd.read_csv(StringIO(csv_text(recorded)), dtype=str, keep_default_na=False)
    (published["vanilla"].folder / "milestones/step_20.safetensors").unlink()
    (published["pretrain"].folder / "policy.safetensors").unlink()
    again = attempts(tiny_experiment, TABLES, runs, earlier)
    pd.testing.assert_frame_equal(again, recorded)
    assert csv_text(again) == csv_text(recorded)
    with pytest.raises(
        DataError, match=r"policy\.safetensors is not here, and the film's CSV holds no attempt"
    ):
        attempts(tiny_experiment, TABLES, runs, None)
    for other in (earlier.assign(weights="0" * 64), earlier.assign(start_seed="1"), earlier[["policy"]]):
        with pytest.raises(DataError, match="dvc pull"):
            attempts(tiny_experiment, TABLES, runs, other)


def test_altered_files_are_refused(
    tiny_experiment: RoboticSequenceExperiment, published: dict[str, Published]
) -> None:
    runs = runs_of(published)
    with pytest.raises(DataError, match=r"manifest names no milestones/step_30\.safetensors"):
        attempts(tiny_experiment, TABLES | {"training": visits_of(50.0)}, runs, None)
    for phase, name in (("vanilla", "milestones/step_20.safetensors"), ("collect", "start_states.json")):
        path = published[phase].folder / name
        content = path.read_bytes()
        path.write_bytes(content + b" ")
        with pytest.raises(DataError, match="not the file that its manifest names"):
            attempts(tiny_experiment, TABLES, runs, None)
        path.write_bytes(content)
    (published["collect"].folder / "start_states.json").unlink()
    with pytest.raises(DataError, match=r"start_states\.json is not here"):
        attempts(tiny_experiment, TABLES, runs, None)


def test_a_start_state_that_is_no_longer_reached_is_refused(
    tiny_experiment: RoboticSequenceExperiment, published: dict[str, Published]
) -> None:
    path = published["collect"].folder / "start_states.json"
    states = json.loads(path.read_text())
    states[PROBE]["seeds"][0] += 1
    path.write_text(json.dumps(states))
    published["collect"] = Published(path.parent, {path.name: sha256_of(path)})
    with pytest.raises(DataError, match="leads to a different start state"):
        attempts(tiny_experiment, TABLES, runs_of(published), None)
