"""Critic pre-training: APPO on pi*'s own games with everything but the value head frozen.

Paper, appendix on NetHack: a new critic's gradients would undo pi* in the first updates.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fpc.core.files import write_tensors
from fpc.domains.finetuning import run_fields
from fpc.domains.interface import Run
from fpc.domains.nethack.config import NetHackExperiment
from fpc.domains.nethack.finetuning import specification_of
from fpc.learners.appo import APPO

if TYPE_CHECKING:
    import pandas as pd


def pretrain_critic(experiment: NetHackExperiment, policy: Path, target: Path, run: Run) -> pd.DataFrame:
    """Write ``target``: the value head and the normaliser of returns that belongs to it.

    Args:
        experiment: its ``pretrain.critic`` and ``pretrain.appo`` say how.
        policy: safetensors of pi*.
        target: safetensors to write.
        run: resumed from ``run.state / "critic"``.

    Returns:
        Metrics of pi*'s games: step, seed, metric, value.
    """
    options = experiment.pretrain
    specification = specification_of(
        experiment,
        options.appo.model_copy(update={"warm_up_steps": 0}),
        steps=options.critic.steps,
        trainable="critic",
        initial_policy=policy,
        **run_fields(run, run.state / "critic"),
    )
    trained = APPO().train(specification)
    write_tensors(target, trained.critic)
    return trained.table
