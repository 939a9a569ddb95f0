"""Whether pi* solves a known stage with shifted observations, by the output head that is used (figure 22).

Run ``python benchmarks/shifted_heads.py [--output benchmarks/results/shifted_heads.json]`` after
``dvc pull``: pi* of RoboticSequence at scale `laptop` plays 20 episodes of window-close for each shift c, as
the first stage with that stage's head, which pi* never trained, and with the head that it trained for
window-close.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from fpc.core.files import read_tensors, write_json
from fpc.domains.robotic_sequence.collecting import new_actor
from fpc.domains.robotic_sequence.environment import OBSERVATION_SIZE, RoboticSequence
from fpc.domains.robotic_sequence.policies import deterministic
from fpc.workflow.loader import load

PI_STAR = Path("results/laptop/robotic_sequence/pretrain/seed_0/policy.safetensors")
SHIFTS = (0.0, 0.01, 0.1, 1.0, 10.0)
KNOWN = 1  # index of window-close in the sequence that pi* was trained on
EPISODES = 20
ONE_HOT = OBSERVATION_SIZE + 1  # where the stage begins in an observation


def success(shift: float, uses_known_head: bool) -> float:
    """Success rate of pi* on window-close as the first stage, shifted."""
    experiment = load("laptop").experiments["robotic_sequence"]
    known = experiment.environment.stages[KNOWN]
    stages = (known.model_copy(update={"shift": shift}), *experiment.environment.stages[1:])
    environment = RoboticSequence(experiment.environment.model_copy(update={"stages": stages}))
    actor = new_actor(environment, experiment.pretrain.sac)
    actor.load_state_dict(read_tensors(PI_STAR))
    act = deterministic(actor)
    solved = 0
    for episode in range(EPISODES):
        observation, _ = environment.reset(seed=episode)
        ended = False
        while not ended and environment.stage == 0:
            seen = observation.copy()
            if uses_known_head:
                seen[ONE_HOT:] = np.eye(len(stages))[KNOWN]
            observation, _, terminated, truncated, _ = environment.step(act(seen))
            ended = terminated or truncated
        solved += environment.stage > 0
    environment.close()
    return solved / EPISODES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, help="JSON file for the numbers")
    arguments = parser.parse_args()
    found = {
        "episodes": EPISODES,
        "success by shift": {
            str(shift): {"new head": success(shift, False), "trained head": success(shift, True)}
            for shift in SHIFTS
        },
    }
    for shift, rates in found["success by shift"].items():
        print(f"c = {shift}: {rates}")
    if arguments.output is not None:
        write_json(arguments.output, found)


if __name__ == "__main__":
    main()
