"""The actor as a torch module, from files of pi* and from milestones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from fpc.core.checkpoint import selected
from fpc.domains.finetuning import CRITIC
from fpc.domains.load import Saved
from fpc.learners.sac.networks import Actor
from fpc.learners.sac.options import SACOptions

ACTOR = "actor."
EXAMPLE = """\
import json
from pathlib import Path
import numpy as np
from safetensors.torch import load_file
from fpc.learners.sac.networks import Actor
from fpc.learners.sac.options import SACOptions

sizes = json.loads(Path("config.json").read_text())["network"]
actor = Actor(sizes["observation"], sizes["action"], sizes["stages"], SACOptions(**sizes["options"])).eval()
weights = load_file("model.safetensors")  # actor.*, and critic.* if they were kept
actor.load_state_dict({name[6:]: value for name, value in weights.items() if name.startswith("actor.")})
action = actor.act(np.eye(sizes["observation"], dtype=np.float32)[-1], deterministic=True)
"""


def weights(saved: Saved) -> dict[str, Tensor]:
    """``actor.*`` and, where the artifact has them, ``critic.*``."""
    if saved.step is not None:
        return saved.tensors()
    found = {f"{ACTOR}{name}": value for name, value in saved.tensors().items()}
    if CRITIC in saved.files:
        found |= {f"critic.{name}": value for name, value in saved.tensors(CRITIC).items()}
    return found


def arguments(section: Mapping[str, Any], weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Sizes of the actor, and SAC's options."""
    options = section[next(phase for phase in ("pretrain", "finetune") if phase in section)]["sac"]
    stages, outputs, _ = weights[f"{ACTOR}head_weight"].shape
    inputs = weights[f"{ACTOR}trunk.0.weight"].shape[1]
    size = inputs if options["stage_in_trunk"] else inputs + stages
    return {"observation": size, "action": outputs // 2, "stages": stages, "options": options}


def network(arguments: Mapping[str, Any], weights: Mapping[str, Tensor]) -> Actor:
    """The actor with these weights."""
    options = SACOptions.model_validate(arguments["options"])
    actor = Actor(arguments["observation"], arguments["action"], arguments["stages"], options)
    actor.load_state_dict(selected(weights, ACTOR))
    return actor
