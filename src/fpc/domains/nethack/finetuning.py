"""finetune: APPO on the score task, from pi* or from a new network, with one retention method."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fpc.core.files import write_table
from fpc.domains.milestones import milestone_steps
from fpc.domains.nethack.config import NetHackExperiment
from fpc.learners.appo.job import Job, Trainable
from fpc.learners.appo.options import APPOOptions
from fpc.retention.interface import MethodOptions, Need
from fpc.retention.registry import load_method

if TYPE_CHECKING:
    from fpc.workflow.run import Run

ENVIRONMENT = "fpc.domains.nethack.training:environment_of"
NETWORK = "fpc.domains.nethack.training:network_of"
EXPERT = "fpc.domains.nethack.expert_sequences:open_sequences"


def job_of(
    experiment: NetHackExperiment,
    appo: APPOOptions,
    run: Run,
    *,
    steps: int,
    trainable: Trainable,
    state: Path,
    **more: Any,
) -> Job:
    """A training job on the experiment's task with its network; ``more`` are further fields."""
    return Job(
        environment=ENVIRONMENT,
        environment_arguments={"environment": experiment.environment.model_dump(mode="json")},
        network=NETWORK,
        network_arguments={"network": experiment.network.model_dump(mode="json")},
        appo=appo.model_dump(mode="json"),
        seed=run.seed,
        steps=steps,
        trainable=trainable,
        state=str(state),
        checkpoint_seconds=run.checkpoint_seconds,
        **more,
    )


def finetune(experiment: NetHackExperiment, method: str, chosen: MethodOptions, run: Run) -> None:
    """Write the milestones' weights and ``training.parquet``."""
    from fpc.learners.appo.train import train

    kind, options = load_method(method), experiment.finetune
    steps = chosen.steps or options.steps
    appo = options.appo
    more: dict[str, Any] = {}
    if kind.pretrained:
        pi_star = run.parents["pretrain"]
        more["initial"] = str(pi_star / "policy.safetensors")
        if (pi_star / "critic.safetensors").exists():
            more["critic"] = str(pi_star / "critic.safetensors")
    else:
        appo = appo.model_copy(update={"learning_rate_schedule": appo.scratch_learning_rate_schedule})
    if Need.EXPERT_DATA in kind.needs:
        more |= {"expert": EXPERT, "expert_arguments": {"folder": str(run.parents["collect"])}}
    job = job_of(
        experiment,
        appo,
        run,
        steps=steps,
        trainable=appo.train if kind.pretrained else "all",
        state=run.state,
        method=method,
        options=chosen.model_dump(mode="json"),
        milestones=milestone_steps(steps, options.evaluate_every),
        milestone_folder=str(run.output / "milestones"),
        **more,
    )
    trained = train(job, run.report)
    write_table(run.output / "training.parquet", trained.metrics)
