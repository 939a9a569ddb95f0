"""The two-doors domain: pi* takes the right door; fine-tuning finds the left and forgets the right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from fpc.domains.evaluation import Measured, Milestone, evaluate_milestones
from fpc.domains.finetuning import EXPERT, POLICY, TRAINING, Finetuning, run_fields
from fpc.domains.interface import Domain, Run
from fpc.domains.two_doors.config import TwoDoorsExperiment
from fpc.learners.hill_climbing import HillClimbing, HillClimbingSpecification
from fpc.learners.interface import Learner
from fpc.retention.interface import MethodOptions

LEFT = "left"  # the policy's only parameter
PROBES = {"left_door": ("close", 1), "right_door": ("far", 2)}  # group, and random stream of its games


class TwoDoors(Domain[TwoDoorsExperiment]):
    """The left door is the group Close, the right door is Far."""

    name: ClassVar[str] = "two_doors"
    learner: ClassVar[Learner[Any]] = HillClimbing()

    def pretrain(self, experiment: TwoDoorsExperiment, run: Run) -> None:
        """Learn the right door only."""
        from fpc.core.files import write_table, write_tensors

        section = experiment.pretrain
        specification = HillClimbingSpecification(
            **run_fields(run),
            steps=section.steps,
            score=lambda policy: 1 - policy[LEFT],
            start={LEFT: 0.5},
            deviation=section.deviation,
        )
        trained = HillClimbing().train(specification)
        write_tensors(run.output / POLICY, trained.policy)
        write_table(run.output / TRAINING, trained.table)

    def collect(self, experiment: TwoDoorsExperiment, run: Run) -> None:
        """Store pi*'s output in the only state."""
        from fpc.core.files import read_tensors, write_json, write_tensors

        policy = read_tensors(run.parents["pretrain"] / POLICY)
        outputs = policy[LEFT].reshape(1, 1)
        write_tensors(run.output / EXPERT, {"observations": outputs * 0, "outputs": outputs})
        write_json(run.output / "start_states.json", list(PROBES))

    def finetune(self, experiment: TwoDoorsExperiment, method: str, options: MethodOptions, run: Run) -> None:
        """Learn both doors, weighted by ``left_share``."""
        from fpc.core.files import read_tensors

        section, share = experiment.finetune, experiment.environment.left_share
        work = Finetuning.of(run, method, options, section.steps)
        pi_star = work.pi_star()
        start = 0.5 if pi_star is None else read_tensors(pi_star)[LEFT].item()
        specification = HillClimbingSpecification(
            **work.fields(section.milestones(work.steps)),
            score=lambda policy: share * policy[LEFT] + (1 - share) * (1 - policy[LEFT]),
            start={LEFT: start},
            deviation=section.deviation,
        )
        work.finish(HillClimbing().train(specification))

    def evaluate(self, experiment: TwoDoorsExperiment, method: str, options: MethodOptions, run: Run) -> None:
        """Measure success in games of each door."""
        from fpc.core.files import read_tensors
        from fpc.core.seeds import rng_of

        def measure(milestone: Milestone) -> Measured:
            left = read_tensors(milestone.weights)[LEFT].item()
            rows = []
            for probe, (group, stream) in PROBES.items():
                taken = rng_of(run.seed, stream).random(experiment.evaluate.episodes) < left
                for episode, success in enumerate(taken if group == "close" else ~taken):
                    names = {"probe": probe, "group": group, "episode": episode, "measure": "success"}
                    rows.append(names | {"value": float(success)})
            return {"episodes": rows}

        evaluate_milestones(self.name, run, measure)

    def training_steps(self, experiment: TwoDoorsExperiment, phase: str) -> Mapping[str, int]:
        """Number of proposals as updates; there are no environment steps."""
        steps = {"pretrain": experiment.pretrain.steps, "finetune": experiment.finetune.steps}
        return {"environment_steps": 0, "updates": steps.get(phase, 0), "episodes": 0}


DOMAIN = TwoDoors()
