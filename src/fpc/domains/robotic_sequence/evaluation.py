"""evaluate: every probe and the network analysis on every milestone; resumable after each milestone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from fpc.core.checkpoint import selected
from fpc.core.files import read_json, read_tensors, write_tensors
from fpc.core.seeds import generator_of, stream_of
from fpc.core.tables import EPISODES, NO_EPISODE
from fpc.core.torch_settings import configure_torch
from fpc.domains.evaluation import (
    Measured,
    Milestone,
    PiStar,
    evaluate_milestones,
    has_weights,
    identity_of,
    measure_pi_star,
    rows_from,
)
from fpc.domains.finetuning import CRITIC, POLICY
from fpc.domains.interface import Run
from fpc.domains.robotic_sequence import analysis
from fpc.domains.robotic_sequence.collecting import new_actor
from fpc.domains.robotic_sequence.config import RoboticSequenceExperiment
from fpc.domains.robotic_sequence.environment import RoboticSequence, probe_names
from fpc.domains.robotic_sequence.expert import Act
from fpc.domains.robotic_sequence.probes import probes_of, run_probe
from fpc.domains.robotic_sequence.stage import ACTION_SIZE
from fpc.learners.sac.networks import Critics

Rows = list[dict[str, Any]]


def evaluate(experiment: RoboticSequenceExperiment, run: Run) -> None:
    """Write ``episodes.parquet`` and, with analysis, ``representation.parquet`` and ``states.parquet``.

    Raises:
        ValueError: the fine-tuned run left no milestones.
    """
    configure_torch()
    probes = Probes(experiment, run, experiment.evaluate.episodes)
    pi_star = PiStar(probes.is_pi_star, probes.own_rows)
    evaluate_milestones(experiment.domain, run, probes.measure, pi_star=pi_star)


def evaluate_pi_star(experiment: RoboticSequenceExperiment, run: Run) -> None:
    """Write the same tables for pi* itself, from every start state of each probe equally often."""
    configure_torch()
    probes = Probes(experiment, run, experiment.pi_star_episodes)
    weights = {f"actor.{name}": value for name, value in probes.pi_star.items()}
    weights |= {f"critic.{name}": value for name, value in probes.pi_star_critics.items()}
    path = run.state / "pi_star.safetensors"
    write_tensors(path, weights)
    total = probes.episodes * len(probes_of(probes.environment.options))
    measure_pi_star(experiment.domain, run, path, probes.measure, total)


class Probes:
    """Everything needed to measure a run's milestones; ``episodes``: of each probe."""

    def __init__(self, experiment: RoboticSequenceExperiment, run: Run, episodes: int) -> None:
        self.options, self.run, self.sac = experiment.evaluate, run, experiment.pretrain.sac
        self.keep_critics = experiment.finetune.keep_critics
        self.environment = RoboticSequence(experiment.environment)
        self.actor = new_actor(self.environment, self.sac)
        self.names = probe_names(experiment.environment.stages)
        self.starts: dict[str, Any] = read_json(run.parents["collect"] / "start_states.json")
        identity = identity_of(experiment.domain, run)
        self.common = {name: identity[name] for name in ("experiment", "method", "seed")}
        self.episodes = episodes
        self.pi_star = read_tensors(run.parents["pretrain"] / POLICY)
        self.pi_star_critics = read_tensors(run.parents["pretrain"] / CRITIC)
        if self.options.analysis:
            self.analysed = read_tensors(run.parents["collect"] / "analysis.safetensors")
            self.original = new_actor(self.environment, self.sac)
            self.original.load_state_dict(self.pi_star)
            self.original_critics = self._critics(self.pi_star_critics)

    def is_pi_star(self, path: Path) -> bool:
        """Whether a milestone's policy, and its critics if it has any, are pi*'s."""
        weights = read_tensors(path)
        actor, critics = selected(weights, "actor."), selected(weights, "critic.")
        return has_weights(actor, self.pi_star) and (
            not critics or has_weights(critics, self.pi_star_critics)
        )

    def own_rows(self, name: str, table: pd.DataFrame) -> pd.DataFrame:
        """The rows of pi*'s table that this run has at its later milestones too.

        These are episodes from the same start states, so that changes are not those between start states, and
        the critics' CKA only where milestones have critics.
        """
        if name == EPISODES:
            return rows_from(table, range(self.episodes))
        if name == "representation" and not self.keep_critics:
            return table[table["network"] == analysis.ACTOR]
        return table

    def measure(self, milestone: Milestone) -> Measured:
        """Rows of ``episodes`` and, with analysis, tables of CKA and of states."""
        weights, step = read_tensors(milestone.weights), milestone.step
        self.actor.load_state_dict(selected(weights, "actor."))
        act = self._controller(step)
        episodes: Rows = []
        for probe in probes_of(self.environment.options):
            starts = self.starts[probe.name]
            episodes += run_probe(self.environment, act, probe, starts, self.episodes)
        if not self.options.analysis:
            return {"episodes": episodes}
        critic_weights = selected(weights, "critic.")
        critics = self._critics(critic_weights) if critic_weights else None
        alignment, states, likelihoods = self._analyse(critics)
        representation = [self.common | {"step": step} | row for row in alignment]
        return {
            "episodes": episodes + likelihoods,
            "representation": pd.DataFrame(representation),
            "states": pd.concat(states, ignore_index=True).assign(**self.common, step=step),
        }

    def _controller(self, step: int) -> Act:
        generator = generator_of(*stream_of(self.run.seed, self.run.phase), step)
        deterministic = not self.options.stochastic
        return lambda seen: self.actor.act(seen, deterministic=deterministic, generator=generator)

    def _critics(self, weights: dict[str, Tensor]) -> Critics:
        (size,) = self.environment.observation_space.shape or (0,)
        critics = Critics(size, ACTION_SIZE, len(self.names), self.sac)
        critics.load_state_dict(weights)
        return critics

    def _analyse(self, critics: Critics | None) -> tuple[Rows, list[pd.DataFrame], Rows]:
        """Rows of CKA, tables of states and rows of mean log-likelihoods, over the pre-trained stages."""
        alignment: Rows = []
        states: list[pd.DataFrame] = []
        likelihoods: Rows = []
        for stage in self.environment.options.pretrained_stages:
            chosen = self.analysed["stage"] == stage
            observations = self.analysed["observations"][chosen]
            before_tanh = self.analysed["before_tanh"][chosen]
            name = self.names[stage]
            alignment += analysis.alignment_rows(*self._layers(critics, observations, before_tanh), name)
            values = analysis.log_likelihood(self.actor, observations, before_tanh).numpy()
            first, second = analysis.principal_components(observations).T
            columns = {"state": np.arange(len(values)), "pc1": first, "pc2": second, "log_likelihood": values}
            states.append(pd.DataFrame({"stage": name, **columns}))
            row = {"probe": name, "group": "far", "episode": NO_EPISODE}
            likelihoods.append(row | {"measure": "log_likelihood", "value": float(values.mean())})
        return alignment, states, likelihoods

    def _layers(self, critics: Critics | None, observations: Tensor, before_tanh: Tensor) -> tuple[Any, Any]:
        """Activations of the fine-tuned and the original networks."""
        tuned = analysis.actor_layers(self.actor, observations)
        original = analysis.actor_layers(self.original, observations)
        if critics is not None:
            actions = torch.tanh(before_tanh)
            tuned |= analysis.critic_layers(critics, observations, actions)
            original |= analysis.critic_layers(self.original_critics, observations, actions)
        return tuned, original
