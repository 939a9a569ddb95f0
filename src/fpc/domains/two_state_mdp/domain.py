"""The two-state MDP as a domain: exact gradient ascent, nothing sampled, about a second."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from fpc.domains.interface import Domain
from fpc.domains.two_state_mdp.config import CloningGap, Rewards, TwoStateMDPExperiment
from fpc.retention.interface import MethodOptions, Need

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from fpc.workflow.run import Run

STATES = ("s0", "s1")


class TwoStateMDP(Domain):
    """Close is s0, Far is s1; the policy is one number theta for each gap."""

    name: ClassVar[str] = "two_state_mdp"
    learner: ClassVar[str] = "gradient_ascent"
    provides: ClassVar[frozenset[Need]] = frozenset()

    def pretrain(self, experiment: TwoStateMDPExperiment, run: Run) -> None:
        """``policy.safetensors``: theta of pi* by gap, float64; ``training.parquet``."""
        from fpc.domains.two_state_mdp.mdp import gaps_by_name

        gaps = gaps_by_name(experiment.environment.gaps)
        paths = {name: _pretraining(gap, experiment) for name, gap in gaps.items()}
        _write_policy(run.output / "policy.safetensors", {name: path[-1] for name, path in paths.items()})
        _write_training(run, {name: (gaps[name], path) for name, path in paths.items()})
        run.report(experiment.pretrain.updates, experiment.pretrain.updates)

    def collect(self, experiment: TwoStateMDPExperiment, run: Run) -> None:
        """``expert.safetensors``: the states as one-hots and pi*'s probability of reaching or keeping s1."""
        import torch

        from fpc.core.files import read_tensors, write_json, write_tensors
        from fpc.domains.two_state_mdp.mdp import gaps_by_name, stay_probability

        policy = read_tensors(run.parents["pretrain"] / "policy.safetensors")
        gaps = gaps_by_name(experiment.environment.gaps)
        outputs = [
            [theta, float(stay_probability(gaps[name])(theta))]
            for name in gaps
            for theta in [policy[name].item()]
        ]
        expert = {
            "observations": torch.eye(len(STATES)).expand(len(gaps), -1, -1),
            "outputs": torch.tensor(outputs).unsqueeze(-1),
        }
        write_tensors(run.output / "expert.safetensors", expert)
        write_json(run.output / "start_states.json", {"close": "s0", "far": "s1", "whole": "s0"})
        run.report(len(STATES), len(STATES))

    def finetune(
        self, experiment: TwoStateMDPExperiment, method: str, options: MethodOptions, run: Run
    ) -> None:
        """Gradient ascent on v0 from pi*; raises ValueError for a method that does not start there."""
        import numpy as np

        from fpc.core.files import read_tensors
        from fpc.domains.two_state_mdp.mdp import gaps_by_name, value_from_s0
        from fpc.learners.gradient_ascent import gradient_ascent
        from fpc.retention.registry import load_method

        if not load_method(method).pretrained:
            raise ValueError(
                f"two_state_mdp has no new initialisation for '{method}': the paper fine-tunes pi* only. "
                "Remove two_state_mdp from that method's entry under `methods`."
            )
        section = experiment.finetune
        updates = options.steps or section.updates
        policy = read_tensors(run.parents["pretrain"] / "policy.safetensors")
        paths = {}
        for name, gap in gaps_by_name(experiment.environment.gaps).items():
            value = partial(value_from_s0, gap=gap)
            path = gradient_ascent(value, policy[name].item(), section.learning_rate, updates)
            paths[name] = (gap, path)
        for step in np.unique(np.linspace(0, updates, section.milestones + 1).astype(int)):
            milestone = run.output / "milestones" / f"step_{step}.safetensors"
            _write_policy(milestone, {name: path[step] for name, (_, path) in paths.items()})
        _write_training(run, paths)
        run.report(updates, updates)

    def evaluate(
        self, experiment: TwoStateMDPExperiment, method: str, options: MethodOptions, run: Run
    ) -> None:
        """``episodes.parquet`` with exact measures; ``states.parquet`` with the curve of v0 over theta."""
        import pandas as pd

        from fpc.core.files import read_tensors, write_table
        from fpc.domains.two_state_mdp.mdp import gaps_by_name

        gaps = gaps_by_name(experiment.environment.gaps)
        rows = []
        for path in (run.parents["finetune"] / "milestones").glob("step_*.safetensors"):
            step = int(path.stem.removeprefix("step_"))
            for name, theta in read_tensors(path).items():
                rows += [
                    (self.name, run.experiment, name, method, seed, step, probe, group, 0, measure, value)
                    for seed in run.seeds
                    for probe, group, measure, value in _measures(theta.item(), gaps[name])
                ]
        columns = ["domain", "experiment", "condition", "method", "seed", "step"]
        columns += ["probe", "group", "episode", "measure", "value"]
        episodes = pd.DataFrame(rows, columns=columns).sort_values(columns, ignore_index=True)
        write_table(run.output / "episodes.parquet", episodes)
        curve = _curve(gaps, experiment.evaluate.curve_points)
        identity = {"domain": self.name, "experiment": run.experiment, "method": method}
        write_table(run.output / "states.parquet", curve.assign(**identity, seed=run.seeds[0], step=0))
        run.report(len(rows), len(rows))

    def training_steps(self, experiment: TwoStateMDPExperiment, phase: str) -> Mapping[str, int]:
        """Updates only: values are exact, no environment is stepped."""
        updates = {"pretrain": experiment.pretrain.updates, "finetune": experiment.finetune.updates}
        return {"environment_steps": 0, "updates": updates.get(phase, 0), "episodes": 0}


def _pretraining(gap: Rewards, experiment: TwoStateMDPExperiment) -> NDArray[np.float64]:
    """theta along pre-training: the perturbed optimum, or gradient ascent on v1."""
    import numpy as np

    from fpc.domains.two_state_mdp.mdp import value_from_s1
    from fpc.learners.gradient_ascent import gradient_ascent

    if isinstance(gap, CloningGap):
        return np.array([1.0, 1.0 - gap.perturbation])
    section = experiment.pretrain
    value = partial(value_from_s1, gap=gap)
    return gradient_ascent(value, section.initial_theta, section.learning_rate, section.updates)


def _write_policy(path: Path, thetas: Mapping[str, float]) -> None:
    import torch

    from fpc.core.files import write_tensors

    write_tensors(path, {name: torch.tensor(theta, dtype=torch.float64) for name, theta in thetas.items()})


def _write_training(run: Run, paths: Mapping[str, tuple[Rewards, NDArray[np.float64]]]) -> None:
    """theta and v0 after each update (in equal steps, 1,000 at most a gap)."""
    import numpy as np
    import pandas as pd

    from fpc.core.files import write_table
    from fpc.domains.two_state_mdp.mdp import value_from_s0

    parts = []
    for name, (gap, path) in paths.items():
        steps = np.unique(np.linspace(0, len(path) - 1, 1001).astype(np.int64))
        kept = path[steps]
        for metric, values in (("theta", kept), ("value", value_from_s0(kept, gap))):
            parts.append(pd.DataFrame({"step": steps, "metric": metric, "value": values, "condition": name}))
    table = pd.concat(parts, ignore_index=True)
    per_seed = [table.assign(seed=seed) for seed in run.seeds]
    columns = ["step", "seed", "metric", "value", "condition"]
    write_table(run.output / "training.parquet", pd.concat(per_seed, ignore_index=True)[columns])


def _measures(theta: float, gap: Rewards) -> list[tuple[str, str, str, float]]:
    """(probe, group, measure, value): v0; the skill of staying in s1; the skill of reaching it."""
    from fpc.domains.two_state_mdp.mdp import stay_probability, value_from_s0

    return [
        ("whole", "whole", "value", float(value_from_s0(theta, gap))),
        ("s1", "far", "stay_probability", float(stay_probability(gap)(theta))),
        ("s0", "close", "reach_probability", theta),
    ]


def _curve(gaps: Mapping[str, Rewards], points: int) -> pd.DataFrame:
    """condition, state (number of the point), theta, value: v0 over theta in [0, 1]."""
    import numpy as np
    import pandas as pd

    from fpc.domains.two_state_mdp.mdp import value_from_s0

    theta = np.linspace(0.0, 1.0, points)
    numbers = np.arange(points)
    return pd.concat(
        [
            pd.DataFrame(
                {"condition": name, "state": numbers, "theta": theta, "value": value_from_s0(theta, gap)}
            )
            for name, gap in gaps.items()
        ],
        ignore_index=True,
    )


DOMAIN = TwoStateMDP()
