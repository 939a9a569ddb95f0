"""finetune: APPO with RND on the whole game, from pi* or from a new network, with one retention method."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fpc.core.files import write_table
from fpc.domains.milestones import milestone_steps
from fpc.domains.montezuma.config import MontezumaExperiment
from fpc.domains.montezuma.training import expert_of, job_of
from fpc.retention.interface import MethodOptions, Need
from fpc.retention.registry import load_method

if TYPE_CHECKING:
    from fpc.workflow.run import Run


def finetune(experiment: MontezumaExperiment, method: str, chosen: MethodOptions, run: Run) -> None:
    """Write the milestones' weights and ``training.parquet``."""
    from fpc.learners.appo.train import train

    kind, options = load_method(method), experiment.finetune
    steps = chosen.steps or options.steps
    appo = options.appo
    more: dict[str, Any] = {}
    if kind.pretrained:
        more["initial"] = str(run.parents["pretrain"] / "policy.safetensors")
    else:
        appo = appo.model_copy(update={"learning_rate_schedule": appo.scratch_learning_rate_schedule})
    if Need.EXPERT_DATA in kind.needs:
        more |= expert_of(run)
    job = job_of(
        experiment,
        appo,
        options.rnd,
        run,
        steps=steps,
        state=run.state,
        method=method,
        options=chosen.model_dump(mode="json"),
        milestones=milestone_steps(steps, options.evaluate_every),
        milestone_folder=str(run.output / "milestones"),
        **more,
    )
    trained = train(job, run.report)
    write_table(run.output / "training.parquet", trained.metrics)
