"""The two-state MDP as a domain: exact gradient ascent without sampling; takes about a second."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from fpc.core.errors import ConfigError
from fpc.domains.finetuning import EXPERT, POLICY, TRAINING, run_fields
from fpc.domains.interface import Domain, Run
from fpc.domains.two_state_mdp.config import CloningGap, Rewards, TwoStateMDPExperiment
from fpc.learners.gradient_ascent import GradientAscent, GradientAscentSpecification, Value
from fpc.learners.interface import Learner
from fpc.retention.interface import MethodOptions
from fpc.retention.registry import load_method

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Paths = dict[str, NDArray[np.float64]]  # gap -> theta before the first and after each update

STATES = ("s0", "s1")


class TwoStateMDP(Domain[TwoStateMDPExperiment]):
    """Close is s0, Far is s1; the policy is a single number theta per gap."""

    name: ClassVar[str] = "two_state_mdp"
    learner: ClassVar[Learner[Any]] = GradientAscent()

    def pretrain(self, experiment: TwoStateMDPExperiment, run: Run) -> None:
        """``policy.safetensors``: theta of pi* for each gap, float64; ``training.parquet``."""
        from fpc.domains.two_state_mdp.mdp import gaps_by_name, value_from_s1

        section, gaps = experiment.pretrain, gaps_by_name(experiment.environment.gaps)
        climbed = [name for name, gap in gaps.items() if not isinstance(gap, CloningGap)]
        start = dict.fromkeys(climbed, section.initial_theta)
        values = {name: partial(value_from_s1, gap=gaps[name]) for name in climbed}
        paths = _climb(run, values, start, section.learning_rate, section.updates)
        paths |= {name: _perturbed(gap) for name, gap in gaps.items() if isinstance(gap, CloningGap)}
        _write_policy(run.output / POLICY, {name: paths[name][-1] for name in gaps})
        _write_training(run, gaps, paths)

    def collect(self, experiment: TwoStateMDPExperiment, run: Run) -> None:
        """``expert.safetensors``: one-hot states and pi*'s probability of moving to s1 or staying there."""
        import torch

        from fpc.core.files import read_tensors, write_json, write_tensors
        from fpc.domains.two_state_mdp.mdp import gaps_by_name, stay_probability

        policy = read_tensors(run.parents["pretrain"] / POLICY)
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
        write_tensors(run.output / EXPERT, expert)
        write_json(run.output / "start_states.json", {"close": "s0", "far": "s1", "whole": "s0"})
        run.report(len(STATES), len(STATES))

    def finetune(
        self, experiment: TwoStateMDPExperiment, method: str, options: MethodOptions, run: Run
    ) -> None:
        """Gradient ascent on v0 from pi*.

        Raises:
            ConfigError: the method does not start from pi*.
        """
        import numpy as np

        from fpc.core.files import read_tensors
        from fpc.core.milestones import write_milestone
        from fpc.domains.two_state_mdp.mdp import gaps_by_name, value_from_s0

        if not load_method(method).pretrained:
            raise ConfigError(
                f"two_state_mdp has no '{method}', which trains from scratch: the paper only fine-tunes pi*. "
                "Remove two_state_mdp from that method's entry under `methods`."
            )
        section, gaps = experiment.finetune, gaps_by_name(experiment.environment.gaps)
        updates = options.steps or section.updates
        start = {name: theta.item() for name, theta in read_tensors(run.parents["pretrain"] / POLICY).items()}
        values = {name: partial(value_from_s0, gap=gap) for name, gap in gaps.items()}
        milestones = np.unique(np.linspace(0, updates, section.milestones + 1).astype(int)).tolist()
        paths = _climb(
            run,
            values,
            start,
            section.learning_rate,
            updates,
            milestones=tuple(milestones),
            on_milestone=lambda step, policy, critic: write_milestone(run.output, step, policy),
        )
        _write_training(run, gaps, paths)

    def evaluate(
        self, experiment: TwoStateMDPExperiment, method: str, options: MethodOptions, run: Run
    ) -> None:
        """``episodes.parquet`` with exact measures, ``states.parquet`` with the curve of v0 over theta."""
        from fpc.core.files import read_tensors, write_table
        from fpc.core.tables import EPISODES_SCHEMA
        from fpc.domains.evaluation import Measured, Milestone, evaluate_milestones
        from fpc.domains.two_state_mdp.mdp import gaps_by_name

        gaps = gaps_by_name(experiment.environment.gaps)

        def measure(milestone: Milestone) -> Measured:
            policy = read_tensors(milestone.weights)
            return {
                "episodes": [
                    {"condition": name, "seed": seed, "episode": 0, **row}
                    for name, theta in policy.items()
                    for seed in run.seeds
                    for row in _measures(theta.item(), gaps[name])
                ]
            }

        evaluate_milestones(self.name, run, measure, order=list(EPISODES_SCHEMA))
        curve = _curve(gaps, experiment.evaluate.curve_points)
        identity = {"domain": self.name, "experiment": run.experiment, "method": method}
        write_table(run.output / "states.parquet", curve.assign(**identity, seed=run.seeds[0], step=0))

    def training_steps(self, experiment: TwoStateMDPExperiment, phase: str) -> Mapping[str, int]:
        """Updates only: values are exact, so no environment is stepped."""
        updates = {"pretrain": experiment.pretrain.updates, "finetune": experiment.finetune.updates}
        return {"environment_steps": 0, "updates": updates.get(phase, 0), "episodes": 0}


def _climb(
    run: Run,
    values: Mapping[str, Value],
    start: Mapping[str, float],
    learning_rate: float,
    updates: int,
    **more: Any,
) -> Paths:
    """Path of theta under gradient ascent on each value function."""
    specification = GradientAscentSpecification(
        **run_fields(run), values=values, start=start, learning_rate=learning_rate, steps=updates, **more
    )
    table = GradientAscent().train(specification).table
    return {name: table[table["condition"] == name]["value"].to_numpy() for name in values}


def _perturbed(gap: CloningGap) -> NDArray[np.float64]:
    """theta before and after the perturbation of the optimum."""
    import numpy as np

    return np.array([1.0, 1.0 - gap.perturbation])


def _write_policy(path: Path, thetas: Mapping[str, float]) -> None:
    import torch

    from fpc.core.files import write_tensors

    write_tensors(path, {name: torch.tensor(theta, dtype=torch.float64) for name, theta in thetas.items()})


def _write_training(run: Run, gaps: Mapping[str, Rewards], paths: Paths) -> None:
    """theta and v0 at up to 1,001 evenly spaced updates per gap."""
    import numpy as np
    import pandas as pd

    from fpc.core.files import write_table
    from fpc.domains.two_state_mdp.mdp import value_from_s0

    parts = []
    for name, gap in gaps.items():
        path = paths[name]
        steps = np.unique(np.linspace(0, len(path) - 1, 1001).astype(np.int64))
        kept = path[steps]
        for metric, values in (("theta", kept), ("value", value_from_s0(kept, gap))):
            parts.append(pd.DataFrame({"step": steps, "metric": metric, "value": values, "condition": name}))
    table = pd.concat(parts, ignore_index=True)
    per_seed = [table.assign(seed=seed) for seed in run.seeds]
    columns = ["step", "seed", "metric", "value", "condition"]
    write_table(run.output / TRAINING, pd.concat(per_seed, ignore_index=True)[columns])


def _measures(theta: float, gap: Rewards) -> list[dict[str, Any]]:
    """v0, and the probabilities of staying in s1 and of reaching it."""
    from fpc.domains.two_state_mdp.mdp import stay_probability, value_from_s0

    rows = (
        ("whole", "whole", "value", float(value_from_s0(theta, gap))),
        ("s1", "far", "stay_probability", float(stay_probability(gap)(theta))),
        ("s0", "close", "reach_probability", theta),
    )
    return [dict(zip(("probe", "group", "measure", "value"), row, strict=True)) for row in rows]


def _curve(gaps: Mapping[str, Rewards], points: int) -> pd.DataFrame:
    """v0 over theta in [0, 1]: columns condition, state (index of the point), theta, value."""
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
