"""evaluate: every probe on every milestone, and what became of pi*'s network. Resumes by milestone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from fpc.core.files import read_json, read_tensors, write_table
from fpc.core.processor import prepare_processor
from fpc.domains.milestones import find_milestones
from fpc.domains.robotic_sequence import analysis
from fpc.domains.robotic_sequence.collecting import new_actor
from fpc.domains.robotic_sequence.config import RoboticSequenceExperiment
from fpc.domains.robotic_sequence.environment import RoboticSequence, probe_names
from fpc.domains.robotic_sequence.expert import Act
from fpc.domains.robotic_sequence.probes import probes_of, run_probe
from fpc.domains.robotic_sequence.stage import ACTION_SIZE
from fpc.learners.sac import Critics

if TYPE_CHECKING:
    from fpc.workflow.run import Run

ANALYSIS_EPISODE = -1  # the mark of a row that is a mean over states, not an episode's
TABLES = ("representation", "states", "episodes")  # the last one is written last: it is the commit
EPISODE_COLUMNS = ["step", "probe", "group", "episode", "measure", "value"]


def evaluate(experiment: RoboticSequenceExperiment, run: Run) -> None:
    """Write ``episodes.parquet`` and, with analysis, ``representation.parquet`` and ``states.parquet``.

    Raises:
        ValueError: the fine-tuned run left no milestones.
    """
    prepare_processor()
    milestones = find_milestones(run.parents["finetune"])
    session = Evaluation(experiment, run)
    for number, (step, path) in enumerate(milestones.items()):
        folder = run.state / f"step_{step}"
        if not (folder / "episodes.parquet").exists():
            for name, table in session.measure(step, read_tensors(path)).items():
                write_table(folder / f"{name}.parquet", table)
        run.report(number + 1, len(milestones))
    for name in TABLES:
        parts = [run.state / f"step_{step}" / f"{name}.parquet" for step in milestones]
        tables = [pd.read_parquet(part) for part in parts if part.exists()]
        if tables:
            write_table(run.output / f"{name}.parquet", pd.concat(tables, ignore_index=True))


class Evaluation:
    """What every milestone of a run is measured with."""

    def __init__(self, experiment: RoboticSequenceExperiment, run: Run) -> None:
        self.options, self.run, self.sac = experiment.evaluate, run, experiment.finetune.sac
        self.environment = RoboticSequence(experiment.environment)
        self.actor = new_actor(self.environment, self.sac)
        self.names = probe_names(experiment.environment.stages)
        self.starts: dict[str, Any] = read_json(run.parents["collect"] / "start_states.json")
        self.common = {
            "domain": experiment.domain,
            "experiment": run.experiment,
            "condition": "",
            "method": run.method,
            "seed": run.seed,
        }
        if self.options.analysis:
            self.analysed = read_tensors(run.parents["collect"] / "analysis.safetensors")
            pretrained = run.parents["pretrain"]
            self.original = new_actor(self.environment, self.sac)
            self.original.load_state_dict(read_tensors(pretrained / "policy.safetensors"))
            self.original_critics = self._critics(read_tensors(pretrained / "critic.safetensors"))

    def measure(self, step: int, weights: dict[str, Tensor]) -> dict[str, pd.DataFrame]:
        """Tables of one milestone, by name."""
        self.actor.load_state_dict(_part(weights, "actor."))
        act = self._controller(step)
        episodes: list[dict[str, Any]] = []
        for probe in probes_of(self.environment.options):
            starts = self.starts[probe.name]
            episodes += run_probe(self.environment, act, probe, starts, self.options.episodes)
        tables = {}
        if self.options.analysis:
            critic_weights = _part(weights, "critic.")
            critics = self._critics(critic_weights) if critic_weights else None
            alignment, states, likelihoods = self._analyse(critics)
            episodes += likelihoods
            common = {name: self.common[name] for name in ("experiment", "method", "seed")}
            tables["representation"] = _table(common | {"step": step}, alignment)
            tables["states"] = pd.concat(states, ignore_index=True).assign(**common, step=step)
        tables["episodes"] = _table(self.common | {"step": step}, episodes)[[*self.common, *EPISODE_COLUMNS]]
        return tables

    def _controller(self, step: int) -> Act:
        word = np.random.SeedSequence([self.run.seed, step]).generate_state(1)[0]
        generator = torch.Generator().manual_seed(int(word))
        deterministic = not self.options.stochastic
        return lambda seen: self.actor.act(seen, deterministic=deterministic, generator=generator)

    def _critics(self, weights: dict[str, Tensor]) -> Critics:
        (size,) = self.environment.observation_space.shape or (0,)
        critics = Critics(size, ACTION_SIZE, len(self.names), self.sac)
        critics.load_state_dict(weights)
        return critics

    def _analyse(
        self, critics: Critics | None
    ) -> tuple[list[dict[str, Any]], list[pd.DataFrame], list[dict[str, Any]]]:
        """Rows of CKA, tables of states and rows of mean log-likelihoods, over the pre-trained stages."""
        alignment: list[dict[str, Any]] = []
        states: list[pd.DataFrame] = []
        likelihoods: list[dict[str, Any]] = []
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
            row = {"probe": name, "group": "far", "episode": ANALYSIS_EPISODE}
            likelihoods.append(row | {"measure": "log_likelihood", "value": float(values.mean())})
        return alignment, states, likelihoods

    def _layers(self, critics: Critics | None, observations: Tensor, before_tanh: Tensor) -> tuple[Any, Any]:
        """Activations of the fine-tuned and of the original networks."""
        tuned = analysis.actor_layers(self.actor, observations)
        original = analysis.actor_layers(self.original, observations)
        if critics is not None:
            actions = torch.tanh(before_tanh)
            tuned |= analysis.critic_layers(critics, observations, actions)
            original |= analysis.critic_layers(self.original_critics, observations, actions)
        return tuned, original


def _part(weights: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}


def _table(common: dict[str, Any], rows: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame([common | row for row in rows])
