"""Probes: episodes from fixed start states, in a single stage or the whole sequence."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpc.core.errors import DataError
from fpc.core.seeds import short_seeds_of
from fpc.domains.robotic_sequence.config import EnvironmentOptions
from fpc.domains.robotic_sequence.environment import Observation, RoboticSequence, probe_names
from fpc.domains.robotic_sequence.expert import Act, finish_episode

DIGEST_DECIMALS = 4  # so that digests agree when simulators differ in the last bits only
WHOLE = "whole"


@dataclass(frozen=True)
class Probe:
    """Episodes through ``stages``; ``group`` is close, far or whole."""

    name: str
    group: str
    stages: tuple[int, ...]


def probes_of(options: EnvironmentOptions) -> tuple[Probe, ...]:
    """A probe for each stage by itself, and one for the whole sequence."""
    names = probe_names(options.stages)
    far = set(options.pretrained_stages)
    single = [Probe(name, "far" if index in far else "close", (index,)) for index, name in enumerate(names)]
    return (*single, Probe(WHOLE, WHOLE, tuple(range(len(names)))))


def observation_digest(observation: Observation) -> str:
    """sha256 of an observation rounded to four decimals."""
    rounded = np.round(observation.astype(np.float64), DIGEST_DECIMALS) + 0.0  # -0.0 becomes 0.0
    return hashlib.sha256(rounded.astype("<f8").tobytes()).hexdigest()


def make_start_states(environment: RoboticSequence, count: int, seed: int) -> dict[str, Any]:
    """``count`` start states per probe: environment seeds, each with its observation's digest."""
    found: dict[str, Any] = {}
    for number, probe in enumerate(probes_of(environment.options)):
        seeds = short_seeds_of(seed, number, count=count)
        digests = []
        for start in seeds:
            observation, _ = environment.reset(seed=start, options={"stages": probe.stages})
            digests.append(observation_digest(observation))
        found[probe.name] = {"stages": list(probe.stages), "seeds": seeds, "observation_sha256": digests}
    return found


def run_probe(
    environment: RoboticSequence, act: Act, probe: Probe, starts: Mapping[str, Any], episodes: int
) -> list[dict[str, Any]]:
    """Rows (probe, group, start, episode, measure, value) of episodes from the start states in turn.

    Raises:
        DataError: a seed no longer leads to its start state.
    """
    rows = []
    for episode in range(episodes):
        start = episode % len(starts["seeds"])
        seed, digest = starts["seeds"][start], starts["observation_sha256"][start]
        observation, _ = environment.reset(seed=seed, options={"stages": probe.stages})
        if observation_digest(observation) != digest:
            raise DataError(
                f"{probe.name}: seed {seed} leads to a different start state than when it was collected "
                "(another version of Meta-World or MuJoCo?); run collect again"
            )
        played = finish_episode(environment, act, observation, len(probe.stages))
        measures = {
            "success": float(all(played.solved)),
            "return": played.total_reward,
            "length": float(played.length),
        }
        if probe.name == WHOLE:
            measures |= _stage_measures(environment.options, played.solved)
        common = {"probe": probe.name, "group": probe.group, "start": start, "episode": episode}
        rows += [common | {"measure": name, "value": value} for name, value in measures.items()]
    return rows


def _stage_measures(options: EnvironmentOptions, solved: Sequence[bool]) -> dict[str, float]:
    names = probe_names(options.stages)
    measures = {f"success_{name}": float(value) for name, value in zip(names, solved, strict=True)}
    return measures | {"stages_solved": float(sum(solved))}
