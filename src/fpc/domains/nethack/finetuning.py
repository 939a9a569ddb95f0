"""finetune: APPO on the score task with one retention method, from pi* or from scratch."""

from __future__ import annotations

from collections.abc import Callable

from fpc.core.files import read_tensors
from fpc.domains.finetuning import CRITIC, POLICY, Finetuning
from fpc.domains.interface import Run
from fpc.domains.nethack.config import NetHackExperiment
from fpc.domains.nethack.environment import SOKOBAN
from fpc.domains.nethack.expert_sequences import open_sequences
from fpc.domains.nethack.factories import specification_of
from fpc.domains.nethack.milestone_weights import changed_weights
from fpc.learners.appo import APPO, Call
from fpc.learners.appo.options import APPOOptions
from fpc.learners.interface import Weights
from fpc.retention.interface import MethodOptions, Need


def finetune(experiment: NetHackExperiment, method: str, chosen: MethodOptions, run: Run) -> None:
    """Write the milestones' weights (:mod:`.milestone_weights`) and ``training.parquet``."""
    options = experiment.finetune
    work = Finetuning.of(run, method, chosen, options.steps)
    critic, expert = work.pi_star(CRITIC), None
    if work.needs(Need.EXPERT_DATA):
        pi_star = str(run.parents["pretrain"] / POLICY)
        expert = Call.of(open_sequences, folder=str(run.parents["collect"]), pi_star=pi_star)
    specification = specification_of(
        experiment,
        appo_options(experiment, work),
        trainable=options.appo.train if work.pretrained else "all",
        initial_policy=work.pi_star(),
        teacher=work.teacher(),
        initial_critic=critic if critic is not None and critic.exists() else None,
        expert=expert,
        **work.fields(options.milestones(work.steps)) | {"on_milestone": milestone_writer(work)},
    )
    far = (f"level_{experiment.collect.far_level}", SOKOBAN)
    work.finish(APPO().train(specification), far)


def milestone_writer(work: Finetuning) -> Callable[[int, Weights, Weights], None]:
    """Writes all weights of a run from scratch, and otherwise those that are no longer pi*'s."""
    path = work.pi_star()
    if path is None:
        return work.keep
    pi_star = read_tensors(path)
    return lambda step, policy, critic: work.keep(step, changed_weights(policy, pi_star), critic)


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
