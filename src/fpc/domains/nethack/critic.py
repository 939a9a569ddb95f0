"""Critic pre-training: APPO on pi*'s own games with everything but the value head frozen.

Paper, appendix on NetHack: gradients from an untrained critic would destroy pi* in the first updates.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fpc.core.files import write_tensors
from fpc.domains.finetuning import run_fields
from fpc.domains.interface import Run
from fpc.domains.nethack.config import NetHackExperiment
from fpc.domains.nethack.factories import specification_of
from fpc.learners.appo import APPO

if TYPE_CHECKING:
    import pandas as pd


def pretrain_critic(experiment: NetHackExperiment, policy: Path, target: Path, run: Run) -> pd.DataFrame:
    """Train a value head for pi* and write it, with its return normaliser, to ``target``.

    Args:
        experiment: uses its ``pretrain.critic`` and ``pretrain.appo``.
        policy: safetensors file of pi*.
        target: safetensors file to write.
        run: resumes from ``run.state / "critic"``.

    Returns:
        Training metrics: step, seed, metric, value.
    """
    options = experiment.pretrain
    specification = specification_of(
        experiment,
        options.appo.model_copy(update={"warm_up_steps": 0}),
        steps=options.critic.steps,
        trainable="critic",
        initial_policy=policy,
        **run_fields(run, run.state / "critic", phase="critic"),
    )
    trained = APPO().train(specification)
    write_tensors(target, trained.critic)
    return trained.table
