"""Short attempts as RoboticSequence records them: the scripted policy solves the stage, another one fails."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

from fpc.domains.robotic_sequence.expert import Act, Action, ScriptedExpert, finish_episode
from fpc.domains.robotic_sequence.filming import stage_alone
from fpc.domains.robotic_sequence.probes import observation_digest
from fpc.domains.robotic_sequence.recorded_tables import COLUMNS

TASK, SEED, LIMIT = "handle-press", 4, 20
POLICIES = {
    "behavioral_cloning": True,
    "vanilla": False,
    "pi_star": True,
}  # whether the policy solves the stage


def make_attempts() -> pd.DataFrame:
    """One attempt each by BC, vanilla and pi*; BC's and pi*'s are the scripted policy's."""
    rows = []
    for policy, solves in POLICIES.items():
        step = 0 if policy == "pi_star" else 20_000
        asked = (policy, 0, step, f"2_{TASK}", 0, SEED, "0e" * 32)
        rows.append((*asked, *_played(solves)))
    return pd.DataFrame(rows, columns=list(COLUMNS))


@cache
def _played(solves: bool) -> tuple[object, ...]:
    environment = stage_alone(TASK, LIMIT)
    observation, _ = environment.reset(seed=SEED)
    act: Act = ScriptedExpert(environment) if solves else lambda _: np.full(4, 0.5, np.float32)
    actions: list[Action] = []

    def remembered(seen: np.ndarray) -> Action:
        actions.append(act(seen))
        return actions[-1]

    played = finish_episode(environment, remembered, observation, 1)
    assert played.solved[0] == solves
    digest = observation_digest(observation)
    return digest, solves, played.length, np.stack(actions).astype("<f4").tobytes().hex()
