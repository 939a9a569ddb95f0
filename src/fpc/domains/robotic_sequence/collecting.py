"""collect: expert data for retention methods, states for the analysis, start states of probes."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from fpc.core.files import read_tensors, write_json, write_tensors
from fpc.core.seeds import seeds_of, stream_of
from fpc.core.torch_settings import configure_torch
from fpc.domains.finetuning import EXPERT, POLICY
from fpc.domains.interface import Run
from fpc.domains.robotic_sequence.config import CollectOptions, RoboticSequenceExperiment
from fpc.domains.robotic_sequence.environment import RoboticSequence
from fpc.domains.robotic_sequence.expert import Rollouts, roll_out
from fpc.domains.robotic_sequence.probes import make_start_states
from fpc.domains.robotic_sequence.stage import ACTION_SIZE
from fpc.learners.sac.networks import Actor
from fpc.learners.sac.options import SACOptions

USES = ("rollouts", "order", "analysis", "actions", "starts")


def collect(experiment: RoboticSequenceExperiment, run: Run) -> None:
    """Write ``expert.safetensors``, ``analysis.safetensors`` and ``start_states.json``."""
    configure_torch()
    environment, options = experiment.environment, experiment.collect
    sequence = RoboticSequence(environment)
    actor = new_actor(sequence, experiment.pretrain.sac)
    actor.load_state_dict(read_tensors(run.parents["pretrain"] / POLICY))
    seeds = dict(zip(USES, seeds_of(*stream_of(run.seed, run.phase), count=len(USES)), strict=True))
    total = options.states + len(environment.pretrained_stages) * options.analysis_states
    expert = _expert(sequence, actor, options.states, seeds)
    run.report(options.states, total)
    write_tensors(run.output / EXPERT, expert)
    write_tensors(run.output / "analysis.safetensors", _analysis(sequence, actor, options, seeds))
    start_states = make_start_states(sequence, options.start_states, seeds["starts"])
    write_json(run.output / "start_states.json", start_states)
    run.report(total, total)


def new_actor(environment: RoboticSequence, sac: SACOptions) -> Actor:
    """An actor of the configured size, to load weights into."""
    (size,) = environment.observation_space.shape or (0,)
    return Actor(size, ACTION_SIZE, len(environment.tasks), sac)


def _own_rollouts(sequence: RoboticSequence, actor: Actor, per_stage: list[int], seed: int) -> Rollouts:
    """Rollouts of pi* in its own stages with sampled actions, as in the paper's memory of pi*."""
    generator = torch.Generator().manual_seed(seed)
    stages = sequence.options.pretrained_stages
    return Rollouts.joined(
        [
            roll_out(sequence, lambda seen: actor.act(seen, generator=generator), stage, count, seed)
            for stage, count in zip(stages, per_stage, strict=True)
        ]
    )


def _expert(sequence: RoboticSequence, actor: Actor, states: int, seeds: dict[str, int]) -> dict[str, Tensor]:
    """Shuffled transitions of pi* with its outputs, so that any prefix is a fair smaller memory."""
    stages = len(sequence.options.pretrained_stages)
    shares = [states // stages + (index < states % stages) for index in range(stages)]
    data = _own_rollouts(sequence, actor, shares, seeds["rollouts"])
    order = np.random.default_rng(seeds["order"]).permutation(states)
    observations = torch.from_numpy(data.observations[order])
    with torch.no_grad():
        outputs = actor.outputs(observations)
    names = ("action", "reward", "next_observations", "terminated", "stage")
    rest = {name: torch.from_numpy(getattr(data, name)[order]) for name in names}
    return {"observations": observations, "outputs": outputs, **rest}


def _analysis(
    sequence: RoboticSequence, actor: Actor, options: CollectOptions, seeds: dict[str, int]
) -> dict[str, Tensor]:
    """States of each pre-trained stage, from solved episodes first, each with a sampled action of pi*.

    ``observations`` [N, D], ``stage`` int64 [N], ``before_tanh`` [N, A] (the action
    before tanh), ``solved`` uint8 [N] (whether the state's episode solved its stage).
    """
    count, generator = options.analysis_states, torch.Generator().manual_seed(seeds["actions"])
    parts = []
    for stage in sequence.options.pretrained_stages:
        # Collect twice as many states, so that solved episodes suffice where pi* is good.
        data = roll_out(
            sequence,
            lambda seen: actor.act(seen, generator=generator),
            stage,
            2 * count,
            seeds["analysis"] + stage,
        )
        chosen = np.argsort(~data.solved, kind="stable")[:count]
        parts.append((data.observations[chosen], data.stage[chosen], data.solved[chosen].astype(np.uint8)))
    observations, stages, solved = (
        torch.from_numpy(np.concatenate(part)) for part in zip(*parts, strict=True)
    )
    with torch.no_grad():
        mean, log_std = actor.outputs(observations).chunk(2, -1)
    noise = torch.randn(mean.shape, generator=generator)
    before_tanh = mean + log_std.exp() * noise
    return {"observations": observations, "stage": stages, "before_tanh": before_tanh, "solved": solved}
