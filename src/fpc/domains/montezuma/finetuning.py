"""finetune: APPO with RND on the whole game, from pi* or from scratch, with one retention method."""

from __future__ import annotations

from fpc.domains.finetuning import Finetuning
from fpc.domains.interface import Run
from fpc.domains.montezuma.config import MontezumaExperiment
from fpc.domains.montezuma.factories import expert_of, games_of, specification_of
from fpc.learners.appo import APPO
from fpc.retention.interface import MethodOptions, Need


def finetune(experiment: MontezumaExperiment, method: str, chosen: MethodOptions, run: Run) -> None:
    """Write the milestones' weights and ``training.parquet``."""
    options = experiment.finetune
    work = Finetuning.of(run, method, chosen, options.steps)
    specification = specification_of(
        experiment,
        options.appo if work.pretrained else options.appo.from_scratch(),
        options.rnd,
        initial_policy=work.pi_star(),
        teacher=work.teacher(),
        expert=expert_of(run.parents["collect"]) if work.needs(Need.EXPERT_DATA) else None,
        **games_of(experiment, run.parents),
        **work.fields(options.milestones(work.steps)),
    )
    work.finish(APPO().train(specification), (f"room_{experiment.environment.room}",))
