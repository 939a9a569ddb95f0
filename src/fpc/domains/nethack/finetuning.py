"""finetune: APPO on the score task with one retention method, from pi* or from scratch."""

from __future__ import annotations

from fpc.domains.finetuning import CRITIC, Finetuning
from fpc.domains.interface import Run
from fpc.domains.nethack.config import NetHackExperiment
from fpc.domains.nethack.environment import SOKOBAN
from fpc.domains.nethack.expert_sequences import open_sequences
from fpc.domains.nethack.factories import specification_of
from fpc.learners.appo import APPO, Call
from fpc.learners.appo.options import APPOOptions
from fpc.retention.interface import MethodOptions, Need


def finetune(experiment: NetHackExperiment, method: str, chosen: MethodOptions, run: Run) -> None:
    """Write the milestones' weights and ``training.parquet``."""
    options = experiment.finetune
    work = Finetuning.of(run, method, chosen, options.steps)
    critic, expert = work.pi_star(CRITIC), None
    if work.needs(Need.EXPERT_DATA):
        expert = Call.of(open_sequences, folder=str(run.parents["collect"]))
    specification = specification_of(
        experiment,
        appo_options(experiment, work),
        trainable=options.appo.train if work.pretrained else "all",
        initial_policy=work.pi_star(),
        teacher=work.teacher(),
        initial_critic=critic if critic is not None and critic.exists() else None,
        expert=expert,
        **work.fields(options.milestones(work.steps)),
    )
    far = (f"level_{experiment.collect.far_level}", SOKOBAN)
    work.finish(APPO().train(specification), far)


def appo_options(experiment: NetHackExperiment, work: Finetuning) -> APPOOptions:
    """APPO options: another entropy coefficient for methods that add a term, another schedule for `scratch`.

    Source: the released code.
    """
    options = experiment.finetune.appo if work.pretrained else experiment.finetune.appo.from_scratch()
    horizon = experiment.finetune.learning_rate_horizons.get(work.run.method or "")
    if horizon is not None:
        options = options.model_copy(update={"learning_rate_horizon": horizon})
    if not work.method_class.adds_term:
        return options
    entropy = experiment.finetune.retention_entropy_coefficient
    return options.model_copy(update={"entropy_coefficient": entropy})
