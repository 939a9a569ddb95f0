"""SAC goes on from pi* in its own stages alone: the control without which a loss of Far has another cause.

It begins as fine-tuning begins, with pi*'s networks and temperatures and an empty replay buffer, but every
stage is visited. If pi* is lost here too, SAC itself does not keep it, and fine-tuning shows no forgetting.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING, Any

from fpc.core.files import read_json, write_json
from fpc.domains.finetuning import run_fields
from fpc.domains.robotic_sequence.acceptance import Examiner, Verdict
from fpc.domains.robotic_sequence.environment import RoboticSequence
from fpc.domains.robotic_sequence.policies import new_networks
from fpc.learners.sac import SAC, SACSpecification

if TYPE_CHECKING:
    from fpc.domains.interface import Run
    from fpc.learners.interface import Weights


def in_turn(stages: Sequence[int]) -> Callable[[int], dict[str, Any]]:
    """Options of an episode by its number: one stage each, from its own starts, and they take turns."""
    return lambda episode: {"stages": (stages[episode % len(stages)],)}


def lowest(checks: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """By stage, the average over the checks or the last one, whichever is lower."""
    return {name: min(last, fmean(check[name] for check in checks)) for name, last in checks[-1].items()}


def with_continuation(
    verdict: Verdict, examiner: Examiner, run: Run, policy: Weights, critic: Weights
) -> Verdict:
    """The verdict with success by stage while SAC went on: the lower of the average and of the last check.

    A run that was stopped goes on from its own checkpoint in ``run.state``.

    Args:
        verdict: on pi*, as :meth:`Examiner.examine` gives it.
        examiner: what it came from.
        run: the run of pretrain.
        policy: pi*.
        critic: its critics and temperatures.
    """
    options, environment = examiner.options, examiner.environment
    if not options.continued_updates:
        return verdict
    state = run.state / f"continued_{verdict.step}"
    steps, checks = options.continued_checks, state / "checks.json"
    found: dict[str, dict[str, float]] = read_json(checks) if checks.exists() else {}
    actor, _ = new_networks(environment, options, None)

    def check(step: int, policy: Weights, critic: Weights) -> None:
        actor.load_state_dict(dict(policy))
        found[str(step)] = examiner.continued_rates(verdict.step, step, actor)
        write_json(checks, found)

    SAC().train(
        SACSpecification(
            **run_fields(run, state, f"pretrain, continued from {verdict.step}"),
            environment=RoboticSequence(environment.options),
            episode_options=in_turn(environment.options.pretrained_stages),
            options=options.sac,
            stages=len(environment.tasks),
            known_stages=environment.options.pretrained_stages,
            steps=steps[-1],
            initial_policy=policy,
            initial_critic=critic,
            milestones=steps,
            on_milestone=check,
        )
    )
    return replace(verdict, continued=lowest(list(found.values())))
