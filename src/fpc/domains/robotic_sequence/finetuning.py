"""finetune: SAC on the whole sequence, from pi* or from new networks, with one retention method."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fpc.core.files import read_tensors, write_table, write_tensors
from fpc.domains.milestones import milestone_path, milestone_steps
from fpc.domains.robotic_sequence.config import EnvironmentOptions, FinetuneOptions
from fpc.domains.robotic_sequence.environment import RoboticSequence
from fpc.learners.sac import Actor, Critics, train
from fpc.retention.expert_data import ExpertDataset
from fpc.retention.interface import MethodOptions, Need
from fpc.retention.registry import load_method

if TYPE_CHECKING:
    from fpc.workflow.run import Run

EXPERT_NEEDS = frozenset({Need.EXPERT_DATA, Need.REPLAY_BUFFER})


def finetune(
    environment: EnvironmentOptions, options: FinetuneOptions, method: str, chosen: MethodOptions, run: Run
) -> None:
    """Write the milestones' weights and ``training.parquet``."""
    kind = load_method(method)
    steps = chosen.steps or options.steps
    pretrained = run.parents.get("pretrain")
    start = pretrained if kind.pretrained else None
    expert = None
    if kind.needs & EXPERT_NEEDS:
        expert = ExpertDataset.read(run.parents["collect"] / "expert.safetensors")
    teacher = None
    if Need.TEACHER in kind.needs:
        teacher = read_tensors(run.parents["pretrain"] / "policy.safetensors")

    def keep(step: int, actor: Actor, critics: Critics) -> None:
        weights = {f"actor.{name}": value for name, value in actor.state_dict().items()}
        if options.keep_critics:
            weights |= {f"critic.{name}": value for name, value in critics.state_dict().items()}
        write_tensors(milestone_path(run.output, step), weights)

    trained = train(
        RoboticSequence(environment),
        options.sac,
        stages=len(environment.stages),
        steps=steps,
        seed=run.seed,
        state=run.state,
        report=run.report,
        checkpoint_seconds=run.checkpoint_seconds,
        method=kind(chosen),
        expert=expert,
        teacher=teacher,
        initial_actor=None if start is None else read_tensors(start / "policy.safetensors"),
        initial_critic=None if start is None else read_tensors(start / "critic.safetensors"),
        milestones=milestone_steps(steps, options.evaluate_every),
        on_milestone=keep,
    )
    write_table(run.output / "training.parquet", trained.metrics)
