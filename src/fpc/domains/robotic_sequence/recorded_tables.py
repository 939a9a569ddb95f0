"""Recorded attempts at the first Far stage, by pi* and by fine-tuned policies, from one start state.

No phase leaves actions: the tables of ``evaluate`` hold the outcomes of episodes only. A film needs the
actions, and nothing else, as an episode of the simulator follows from its seed and its actions. So attempts
are played when the film is drawn, where the weights are, and their actions become the film's plotted data,
from which it can be rendered anywhere. Each row names the sha256 of its weights; where these are absent, as
milestones are in a clone, the row published earlier is taken if it was recorded from the same weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fpc.core.checkpoint import selected
from fpc.core.errors import DataError
from fpc.core.files import read_json, read_tensors
from fpc.core.milestones import milestone_path
from fpc.core.tables import FIRST_VISIT, PI_STAR
from fpc.core.torch_settings import configure_torch
from fpc.domains.finetuning import POLICY
from fpc.domains.recording import SHOWN_SEED, Published, Runs
from fpc.domains.robotic_sequence.collecting import new_actor
from fpc.domains.robotic_sequence.config import RoboticSequenceExperiment
from fpc.domains.robotic_sequence.environment import RoboticSequence
from fpc.domains.robotic_sequence.expert import Action, finish_episode
from fpc.domains.robotic_sequence.filming import stage_alone
from fpc.domains.robotic_sequence.policies import deterministic
from fpc.domains.robotic_sequence.probes import observation_digest
from fpc.learners.sac.networks import Actor

FORGETS = "vanilla"  # the method that decides which milestone is shown
START = 0  # the first start state that collect drew, whatever comes of it
ASKED = ("policy", "seed", "step", "probe", "start", "start_seed", "weights")
PLAYED = ("digest", "success", "length", "actions")
COLUMNS = (*ASKED, *PLAYED)


def lost_far(episodes: pd.DataFrame, training: pd.DataFrame) -> tuple[str, int] | None:
    """The first Far stage, and the milestone at which vanilla is worst there before it ever was there.

    Of vanilla's milestones after step 0 and before any seed first came to that stage: the one with the lowest
    success, averaged over seeds; the earliest of several. If there is none before that, the first milestone.

    Args:
        episodes: columns ``method, seed, step, probe, group, measure, value``.
        training: columns ``method, metric, value``; a first visit's value is its step, NaN if there was none.

    Returns:
        The probe's name and the milestone's step; None if there is no such milestone.
    """
    chosen = (episodes["group"] == "far") & (episodes["measure"] == "success")
    far = episodes[chosen & (episodes["method"] == FORGETS) & (episodes["step"] > 0)]
    if far.empty:
        return None
    probe = min(far["probe"].unique(), key=lambda name: int(str(name).partition("_")[0]))
    per_seed = far[far["probe"] == probe].groupby(["step", "seed"])["value"].mean()
    success = per_seed.groupby("step").mean()
    visited = (training["method"] == FORGETS) & (training["metric"] == f"{FIRST_VISIT}{probe}")
    first_visit = training.loc[visited, "value"].min()  # NaN if there was none
    before = success[success.index < (np.inf if np.isnan(first_visit) else first_visit)]
    return str(probe), int(before.idxmin() if len(before) else success.index[0])


def attempts(
    experiment: RoboticSequenceExperiment,
    tables: Mapping[str, pd.DataFrame],
    runs: Runs,
    earlier: pd.DataFrame | None,
) -> pd.DataFrame:
    """One attempt each by pi* and by the methods of ``runs`` at the milestone of ``lost_far``.

    Actions are the policies' means. All start from the same state, the first that ``collect`` drew.

    Args:
        experiment: the experiment's configuration section.
        tables: ``episodes`` and ``training`` of all seeds.
        runs: pretrain and collect, and finetune of each method, of ``SHOWN_SEED``.
        earlier: the rows recorded earlier, as text.

    Returns:
        Columns ``COLUMNS``: ``weights`` is the sha256 of the policy's file, ``start_seed`` the environment's
        seed, ``digest`` that of the start state as seen by the stage alone, ``length`` the number of actions,
        ``actions`` hexadecimal float32 ``[length, 4]``, little-endian. No row without a milestone.

    Raises:
        DataError: weights are neither here nor in ``earlier``, or a seed no longer leads to its start state.
    """
    shown = {name: tables[name].query(f"seed == {SHOWN_SEED}") for name in ("episodes", "training")}
    found = lost_far(shown["episodes"], shown["training"])
    if found is None:
        return pd.DataFrame(columns=list(COLUMNS))
    probe, step = found
    starts = _start_states(runs)[probe]
    common = {"probe": probe, "start": START, "start_seed": int(starts["seeds"][START])}
    recorder = _Recorder(experiment, int(starts["stages"][0]), str(starts["observation_sha256"][START]))
    rows = []
    for policy, run, name, at in _policies(runs, step):
        asked = {"policy": policy, "seed": SHOWN_SEED, "step": at, **common, "weights": run.digest(name)}
        path = run.file(name)
        played = _earlier(earlier, asked, run.folder / name) if path is None else recorder.play(path, asked)
        rows.append(asked | played)
    return pd.DataFrame(rows, columns=list(COLUMNS))


class _Recorder:
    """Plays policies in one stage, from a start state that is checked."""

    def __init__(self, experiment: RoboticSequenceExperiment, stage: int, start_digest: str) -> None:
        self._experiment, self._stage, self._start_digest = experiment, stage, start_digest
        self._made: tuple[RoboticSequence, Actor] | None = None  # takes seconds, so only if it is needed

    def play(self, weights: Path, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The values of ``PLAYED`` of the policy with these weights."""
        environment, actor = self._ready()
        tensors = read_tensors(weights)
        actor.load_state_dict(tensors if asked["policy"] == PI_STAR else selected(tensors, "actor."))
        seed = asked["start_seed"]
        observation, _ = environment.reset(seed=seed, options={"stages": (self._stage,)})
        if observation_digest(observation) != self._start_digest:
            raise DataError(
                f"{asked['probe']}: seed {seed} leads to a different start state than when it was collected "
                "(another version of Meta-World or MuJoCo?); run collect again"
            )
        act, actions = deterministic(actor), list[Action]()

        def remembered(seen: np.ndarray) -> Action:
            actions.append(act(seen))
            return actions[-1]

        played = finish_episode(environment, remembered, observation, 1)
        alone = stage_alone(environment.tasks[self._stage].name, played.length)
        return {
            "digest": observation_digest(alone.reset(seed=seed)[0]),
            "success": played.solved[0],
            "length": played.length,
            "actions": np.stack(actions).astype("<f4").tobytes().hex(),
        }

    def _ready(self) -> tuple[RoboticSequence, Actor]:
        if self._made is None:
            configure_torch()
            environment = RoboticSequence(self._experiment.environment)
            self._made = environment, new_actor(environment, self._experiment.pretrain.sac)
        return self._made


def _start_states(runs: Runs) -> dict[str, Any]:
    collected = runs["collect", None]
    path = collected.file("start_states.json")
    if path is None:
        raise DataError(
            f"{collected.folder}/start_states.json is not here; run collect again, or git checkout it"
        )
    found: dict[str, Any] = read_json(path)
    return found


def _policies(runs: Runs, step: int) -> list[tuple[str, Published, str, int]]:
    """Name, run, file of the weights and step of each policy."""
    milestone = milestone_path(Path(), step).as_posix()
    tuned = [(method, run, milestone, step) for (_, method), run in runs.items() if method is not None]
    return [(PI_STAR, runs["pretrain", None], POLICY, 0), *tuned]


def _earlier(earlier: pd.DataFrame | None, asked: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The values of ``PLAYED`` of the row recorded earlier that answers to ``asked``.

    Raises:
        DataError: there is none.
    """
    if earlier is not None and set(COLUMNS) <= set(earlier):
        same = (
            earlier[[*ASKED]].eq(pd.Series({name: str(value) for name, value in asked.items()})).all(axis=1)
        )
        for row in earlier[same].to_dict("records"):
            return {
                "digest": row["digest"],
                "success": row["success"] == "True",
                "length": int(row["length"]),
                "actions": row["actions"],
            }
    raise DataError(
        f"{path} is not here, and the film's CSV holds no attempt recorded from it; fetch it (dvc pull), "
        "restore the CSV (git checkout), or delete the run's manifest and make it again"
    )


RECORDED = {"attempts": attempts}
