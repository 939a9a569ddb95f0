"""The phases of the taxi domain."""

from __future__ import annotations

from itertools import cycle, islice

import numpy as np
import torch

from fpc.core.files import read_tensors, write_json, write_table, write_tensors
from fpc.core.seeds import rng_of, seed_of
from fpc.core.torch_settings import configure_torch
from fpc.domains.evaluation import Measured, Milestone, evaluate_milestones
from fpc.domains.finetuning import EXPERT, POLICY, TRAINING, Finetuning, run_fields
from fpc.domains.interface import Run
from fpc.domains.taxi.config import TaxiExperiment
from fpc.domains.taxi.environment import CLOSE, FAR, WHOLE, TaxiEnvironment, picked_up, starts_of
from fpc.domains.taxi.policy import Game, TaxiNetwork, network_of, play
from fpc.domains.taxi.sequences import open_sequences
from fpc.learners.appo import APPO, APPOSpecification, Call
from fpc.retention.interface import MethodOptions, Need

_COLLECT, _FAR, _WHOLE = 1, 2, 3  # distinguish the games of one seed
_BATCH = 100  # games of ``collect`` played side by side


def pretrain(experiment: TaxiExperiment, run: Run) -> None:
    """Learn rides."""
    section = experiment.pretrain
    specification = APPOSpecification(
        environment=Call.of(TaxiEnvironment, max_steps=experiment.environment.max_steps, task="ride"),
        network=Call.of(network_of, hidden=experiment.network.hidden),
        options=section.appo,
        steps=section.steps,
        **run_fields(run),
    )
    trained = APPO().train(specification)
    write_tensors(run.output / POLICY, trained.policy)
    write_table(run.output / TRAINING, trained.table)


def collect(experiment: TaxiExperiment, run: Run) -> None:
    """Record rides of pi*, one after the other.

    ``expert.safetensors`` holds ``starts`` bool ``[N]``, ``observations`` uint8 ``[N, 19]`` and ``outputs``,
    log-probabilities float32 ``[N, 6]``; ``start_states.json`` the states in which measured rides begin.
    """
    configure_torch()
    states, network = experiment.collect.states, TaxiNetwork(experiment.network.hidden)
    network.load_state_dict(read_tensors(run.parents["pretrain"] / POLICY))
    generator, known = rng_of(run.seed, _COLLECT), starts_of("ride")
    games: list[Game] = []
    while sum(len(game.outputs) for game in games) < states:
        chosen = [known[index] for index in generator.integers(len(known), size=_BATCH)]
        seed = seed_of(run.seed, _COLLECT, len(games))
        games += play(network, chosen, experiment.environment.max_steps, seed)
    starts = [step == 0 for game in games for step in range(len(game.outputs))]
    observations = [one for game in games for one in game.observations]
    outputs = [one for game in games for one in game.outputs]
    recorded = {
        "starts": torch.tensor(starts[:states]),
        "observations": torch.from_numpy(np.stack(observations[:states])),
        "outputs": torch.stack(outputs[:states]),
    }
    write_tensors(run.output / EXPERT, recorded)
    write_json(run.output / "start_states.json", picked_up())


def finetune(experiment: TaxiExperiment, method: str, options: MethodOptions, run: Run) -> None:
    """Learn whole games."""
    section, task = experiment.finetune, experiment.environment
    work = Finetuning.of(run, method, options, section.steps)
    expert = (
        Call.of(open_sequences, path=str(run.parents["collect"] / EXPERT))
        if work.needs(Need.EXPERT_DATA)
        else None
    )
    specification = APPOSpecification(
        environment=Call.of(
            TaxiEnvironment, max_steps=task.max_steps, task="game", wrong_drop_off=task.wrong_drop_off
        ),
        network=Call.of(network_of, hidden=experiment.network.hidden),
        options=section.appo if work.pretrained else section.appo.from_scratch(),
        initial_policy=work.pi_star(),
        teacher=work.teacher(),
        expert=expert,
        **work.fields(section.milestones(work.steps)),
    )
    work.finish(APPO().train(specification), [FAR])


def evaluate(experiment: TaxiExperiment, run: Run) -> None:
    """Play rides from the states after a pick-up, and whole games; every milestone plays the same ones."""
    configure_torch()
    count, limit = experiment.evaluate.episodes, experiment.environment.max_steps
    network = TaxiNetwork(experiment.network.hidden)

    def measure(milestone: Milestone) -> Measured:
        network.load_state_dict(read_tensors(milestone.weights))
        rides = play(network, _repeated(picked_up(), count), limit, seed_of(run.seed, _FAR))
        games = play(network, _repeated(starts_of("game"), count), limit, seed_of(run.seed, _WHOLE))
        reached = {
            (CLOSE, "close"): [game.picked_up for game in games],
            (FAR, "far"): [ride.delivered for ride in rides],
            (WHOLE, "whole"): [game.delivered for game in games],
        }
        rows = [
            {
                "probe": probe,
                "group": group,
                "episode": episode,
                "measure": "success",
                "value": float(success),
            }
            for (probe, group), successes in reached.items()
            for episode, success in enumerate(successes)
        ]
        return {"episodes": rows}

    evaluate_milestones(experiment.domain, run, measure)


def _repeated(states: list[int], count: int) -> list[int]:
    return list(islice(cycle(states), count))
