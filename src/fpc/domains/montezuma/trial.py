"""A short training at full sizes, to measure its speed."""

from __future__ import annotations

from pathlib import Path

from fpc.core.files import write_tensors
from fpc.domains.finetuning import POLICY
from fpc.domains.interface import Trial
from fpc.domains.montezuma.config import MontezumaExperiment
from fpc.domains.montezuma.network import MontezumaNetwork


def trial(experiment: MontezumaExperiment, pi_star: Path) -> Trial:
    """Fine-tuning of an untrained network from the game's start, with hardly any warm-up."""
    network = MontezumaNetwork.seeded(experiment.network, experiment.environment, 0)
    write_tensors(pi_star / POLICY, network.state_dict())
    options, expert = experiment.finetune, experiment.pretrain.expert
    appo = options.appo.model_copy(update={"warm_up_steps": 0})
    rnd = options.rnd.model_copy(update={"warm_up_steps": appo.batch_size * appo.minibatches})
    environment = experiment.environment.model_copy(update={"start_room": None})  # no start states are needed
    changed = {
        "environment": environment,
        "finetune": options.model_copy(update={"appo": appo, "rnd": rnd}),
    }
    same = experiment.pretrain.recipe == "rl_from_room" and expert.recipe == "ppo_rnd"
    return Trial(experiment.model_copy(update=changed), ("pretrain", "finetune") if same else ("finetune",))
