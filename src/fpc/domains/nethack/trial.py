"""A short training at full sizes, to measure its speed."""

from __future__ import annotations

from pathlib import Path

from fpc.core.files import write_tensors
from fpc.domains.finetuning import POLICY
from fpc.domains.interface import Trial
from fpc.domains.nethack.config import NetHackExperiment
from fpc.domains.nethack.network import NetHackNetwork


def trial(experiment: NetHackExperiment, pi_star: Path) -> Trial:
    """Fine-tuning of an untrained network, without the warm-up in which nothing is learned."""
    write_tensors(pi_star / POLICY, NetHackNetwork.seeded(experiment.network, 0).state_dict())
    options = experiment.finetune
    learning = options.model_copy(update={"appo": options.appo.model_copy(update={"warm_up_steps": 0})})
    # Critic pre-training updates the value head alone, so it is at least as fast.
    phases = ("pretrain", "finetune") if experiment.pretrain.recipe == "published" else ("finetune",)
    return Trial(experiment.model_copy(update={"finetune": learning}), phases)
