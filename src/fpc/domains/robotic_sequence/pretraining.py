"""pretrain: train pi*, which is good in the pre-trained stages, and critics that know it."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pandas as pd

from fpc.core.checkpoint import load_checkpoint, selected
from fpc.core.files import read_json, read_tensors, write_json, write_table, write_tensors
from fpc.core.metric_log import MetricLog
from fpc.core.seeds import generator_of, seed_of, stream_of
from fpc.core.torch_settings import configure_torch
from fpc.domains.finetuning import CRITIC, POLICY, TRAINING, run_fields
from fpc.domains.interface import Run
from fpc.domains.robotic_sequence.acceptance import Examiner, Verdict
from fpc.domains.robotic_sequence.cloning import clone, evaluate_policy
from fpc.domains.robotic_sequence.config import (
    CloneOptions,
    EnvironmentOptions,
    PretrainOptions,
    RoboticSequenceExperiment,
)
from fpc.domains.robotic_sequence.continuation import in_turn, with_continuation
from fpc.domains.robotic_sequence.environment import RoboticSequence
from fpc.domains.robotic_sequence.expert import Rollouts, ScriptedExpert, roll_out
from fpc.domains.robotic_sequence.policies import network_shape, new_networks, sampled
from fpc.learners.interface import Weights
from fpc.learners.sac import SAC, SACSpecification
from fpc.learners.sac.networks import Actor, Critics
from fpc.learners.sac.update import Updater

logger = logging.getLogger(__name__)
LOG = "log"  # among the kept tensors: the table so far
# In the run's state: SAC's checkpoints; the weights that passed and the verdict on them; rates of all checks.
SAC_STATE, PASSED, VERDICT, CHECKS = "sac", "passed.safetensors", "verdict.json", "checks.json"
INITIALISATION, EXPERT, CLONING, OWN_ACTIONS, CRITICS, OWN_STARTS = range(6)  # uses of the clone's stream


def pretrain(experiment: RoboticSequenceExperiment, run: Run) -> None:
    """Train pi* and write ``policy.safetensors``, ``critic.safetensors`` and ``training.parquet``.

    Raises:
        UnacceptablePolicy: pi* does not solve its stages, its critics do not know it, or SAC loses it.
    """
    configure_torch()
    environment, options = experiment.environment, experiment.pretrain
    log, tables = MetricLog(), []
    examiner = Examiner(environment, options, run.seed)
    actor, critics = new_networks(examiner.environment, options, None)
    if options.recipe == "clone":
        assert options.clone is not None  # guaranteed by the configuration
        actor, critics = _cloned(environment, options, options.clone, run, log)
    verdict: Verdict | None = None
    if options.steps:
        training = _Training(environment, options, run, examiner)
        initial = (actor.state_dict(), critics.state_dict()) if options.recipe == "clone" else (None, None)
        tables.append(training.train(*initial))
        verdict = training.load_into(actor, critics)
    if verdict is None:
        verdict = examiner.examine(options.steps, actor, critics)
        examiner.accept(verdict)  # what fails already is not continued
        verdict = with_continuation(verdict, examiner, run, actor.state_dict(), critics.state_dict())
    examiner.accept(verdict)
    every = examiner.first_rates(actor, tuple(examiner.names))  # pi* should fail in the Close ones
    log.add(verdict.step, **{f"probe_success_{name}": rate for name, rate in every.items()})
    log.add(verdict.step, **verdict.metrics())
    write_tensors(run.output / POLICY, actor.state_dict())
    write_tensors(run.output / CRITIC, critics.state_dict())
    write_table(run.output / TRAINING, pd.concat([log.table(run.seed), *tables], ignore_index=True))


class _Training:
    """SAC on the pre-trained stages as a multi-task problem, until pi* passes or the budget is spent.

    Episodes go through one stage each, from its own starts, and the stages take turns. What is published are
    the very weights that passed, not those at the end of the episode that was under way.
    """

    def __init__(
        self, environment: EnvironmentOptions, options: PretrainOptions, run: Run, examiner: Examiner
    ) -> None:
        self.environment, self.options, self.run, self.examiner = environment, options, run, examiner
        self.checked = new_networks(examiner.environment, options, None)
        self.solved = self._had_passed()
        checks = run.state / CHECKS
        self.checks: dict[str, dict[str, float]] = read_json(checks) if checks.exists() else {}
        self.final: tuple[Weights, Weights] | None = None

    def train(self, initial_policy: Weights | None, initial_critic: Weights | None) -> pd.DataFrame:
        """Train; the training table with the rates of all checks."""
        options, stages = self.options, self.environment.pretrained_stages
        trained = SAC().train(
            SACSpecification(
                **run_fields(self.run, self.run.state / SAC_STATE),
                environment=RoboticSequence(self.environment),
                episode_options=in_turn(stages),
                options=options.sac,
                stages=len(self.environment.stages),
                known_stages=stages,
                steps=options.steps,
                initial_policy=initial_policy,
                initial_critic=initial_critic,
                milestones=tuple(range(options.probe_every, options.steps + 1, options.probe_every)),
                on_milestone=self.check,
                stop=lambda: self.solved,
            )
        )
        self.final = trained.policy, trained.critic
        log = MetricLog()
        for step, rates in self.checks.items():
            log.add(int(step), **{f"check_success_{name}": rate for name, rate in rates.items()})
        return pd.concat([trained.table, log.table(self.run.seed)], ignore_index=True)

    def check(self, step: int, policy: Weights, critic: Weights) -> None:
        """Measure success; where it suffices, put pi* to the other tests and keep what passed."""
        actor, critics = self.checked
        actor.load_state_dict(dict(policy))
        self.checks[str(step)] = rates = self.examiner.first_rates(actor)
        write_json(self.run.state / CHECKS, self.checks)
        if self.solved or min(rates.values()) < self.options.stop_success:
            return
        critics.load_state_dict(dict(critic))
        verdict = self.examiner.examine(step, actor, critics, rates)
        if self.examiner.passes(verdict):
            verdict = with_continuation(verdict, self.examiner, self.run, policy, critic)
            logger.info("pi* after %d steps: %s", step, verdict.shown())
        if self.examiner.passes(verdict):
            weights = {f"policy.{name}": value for name, value in policy.items()}
            write_tensors(self.run.state / PASSED, weights | {f"critic.{k}": v for k, v in critic.items()})
            write_json(self.run.state / VERDICT, verdict.values())
            self.solved = True

    def load_into(self, actor: Actor, critics: Critics) -> Verdict | None:
        """The weights that passed, with the verdict on them; without such, the last ones and None."""
        if self.solved:
            kept = read_tensors(self.run.state / PASSED)
            actor.load_state_dict(selected(kept, "policy."))
            critics.load_state_dict(selected(kept, "critic."))
            return Verdict.of(read_json(self.run.state / VERDICT))
        assert self.final is not None  # train() comes first
        actor.load_state_dict(dict(self.final[0]))
        critics.load_state_dict(dict(self.final[1]))
        return None

    def _had_passed(self) -> bool:
        """Whether training had already stopped when the run was interrupted.

        If the newest checkpoint is older than the check that was passed, training continues from there and
        passes it again, so that the table is complete.
        """
        if not (self.run.state / VERDICT).exists():
            return False
        checkpoint = load_checkpoint(self.run.state / SAC_STATE)
        return checkpoint is not None and checkpoint.step >= read_json(self.run.state / VERDICT)["step"]


def _cloned(
    environment: EnvironmentOptions, options: PretrainOptions, cloning: CloneOptions, run: Run, log: MetricLog
) -> tuple[Actor, Critics]:
    """Clone the actor and train its critics; the cloned actor is saved in the run's state."""
    sequence, stream = RoboticSequence(environment), stream_of(run.seed, "clone")
    actor, critics = new_networks(sequence, options, generator_of(*stream, INITIALISATION))
    data = _expert_data(sequence, cloning, seed_of(*stream, EXPERT))
    total = cloning.updates + cloning.critic_updates

    def reporter(done: int) -> Callable[[int, dict[str, float]], None]:
        def report(update: int, measures: dict[str, float]) -> None:
            log.add(0, **measures)
            run.report(done + update, total, **measures)

        return report

    kept = run.state / "cloned.safetensors"
    if kept.exists():
        tensors = read_tensors(kept)
        log.restore(["cloning_loss"], tensors.pop(LOG))
        actor.load_state_dict(tensors)
    else:
        clone(actor, data, cloning, generator_of(*stream, CLONING), reporter(0))
        write_tensors(kept, {**actor.state_dict(), LOG: log.tensor()})
    if cloning.critic_updates:
        controller = sampled(actor, generator_of(*stream, OWN_ACTIONS))
        own = [
            roll_out(sequence, controller, stage, cloning.critic_transitions, seed_of(*stream, OWN_STARTS))
            for stage in environment.pretrained_stages
            if cloning.critic_transitions
        ]
        frozen = options.sac.model_copy(update={"critic_warmup_updates": cloning.critic_updates})
        targets = Critics(*network_shape(sequence, options))
        targets.load_state_dict(critics.state_dict())
        updater = Updater(actor, critics, targets, frozen, generator_of(*stream, CRITICS))
        evaluate_policy(
            updater, Rollouts.joined([data, *own]), cloning.critic_updates, reporter(cloning.updates)
        )
    return actor, critics


def _expert_data(environment: RoboticSequence, options: CloneOptions, seed: int) -> Rollouts:
    expert = ScriptedExpert(environment)
    return Rollouts.joined(
        [
            roll_out(environment, expert, stage, options.transitions, seed, options.action_noise)
            for stage in environment.options.pretrained_stages
        ]
    )
