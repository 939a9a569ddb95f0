"""Sample Factory's learner with a retention term and our own checkpoints and schedules."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from sample_factory.algo.learning.learner import Learner
from sample_factory.algo.utils.misc import LEARNER_ENV_STEPS, POLICY_ID_KEY
from sample_factory.utils.attr_dict import AttrDict
from torch import Tensor

from fpc.core import interruption
from fpc.core.checkpoint import Checkpoint, NoUsableCheckpoint, load_checkpoint, save_checkpoint, selected
from fpc.core.device import device_name
from fpc.core.errors import UserError
from fpc.core.files import read_tensors, write_json
from fpc.core.metric_log import MetricLog
from fpc.core.milestones import write_milestone
from fpc.learners.appo.expert_sequences import ExpertSequences
from fpc.learners.appo.job import Job
from fpc.learners.appo.policies import FeedforwardCategoricalPolicy, RecurrentCategoricalPolicy
from fpc.learners.appo.preparing import Progress, forget_preparation, preparation_of
from fpc.learners.appo.schedule import LinearSchedule, schedule_updates
from fpc.retention.interface import RetentionBatch, RetentionContext

logger = logging.getLogger(__name__)
MEASURE_EVERY = 20  # updates between rows of losses in the log
NORMALIZER = "returns_normalizer."
TEACHER = "teacher."
Captured = tuple[dict[str, Tensor], dict[str, Any]]


def failure_file(job: Job) -> Path:
    """File in which a learner in a separate process records why it failed."""
    return Path(job.state) / "failure.json"


class RetentionLearner(Learner):  # type: ignore[misc]
    """The learner of one policy.

    In serial mode, where everything runs in one process, the runner sets the attributes that are None here;
    checkpoints then include the finished episodes and the games in progress.
    """

    log: MetricLog | None = None
    capture: Callable[[], Captured] | None = None
    student: RecurrentCategoricalPolicy | FeedforwardCategoricalPolicy
    restore_sampler: Callable[[Mapping[str, Tensor], Mapping[str, Any]], None] | None = None
    on_preparation: Progress | None = None
    failure: BaseException | None = None

    def init(self) -> Any:
        """Build everything, and resume from the newest usable checkpoint if there is one."""
        self.job = Job.of(self.cfg["fpc"])
        self.saved = time.monotonic()
        self.log = self.log or MetricLog()
        self.method = self.job.make_method()
        self.devices: set[str] = set()  # names of those that this and earlier attempts trained on
        self.warm_up = self.job.appo_options.warm_up_steps if self.job.pretrained else 0
        try:
            result = super().init()
        except Exception as error:
            self._fail(error)
            raise
        self.devices.add(device_name(self.device))
        appo = self.job.appo_options
        for group in self.optimizer.param_groups:
            group["weight_decay"] = appo.weight_decay
        if appo.learning_rate_schedule == "linear":
            updates = schedule_updates(appo, self.job.steps)
            self.lr_scheduler = LinearSchedule(appo.learning_rate, updates, lambda: self.train_step)
            self.curr_lr = self.lr_scheduler.update(0.0, None)
            self._apply_lr(self.curr_lr)
        return result

    # -- weights, checkpoints -------------------------------------------------------------------

    def load_from_checkpoint(self, policy_id: int, load_progress: bool = True) -> None:
        """Load the initial weights, then the newest usable checkpoint.

        Raises:
            NoUsableCheckpoint: checkpoints exist but none can be read, or the newest is of another model;
                training is not restarted.
        """
        model = self.actor_critic
        initial = None if self.job.initial is None else read_tensors(Path(self.job.initial))
        pi_star = initial if self.job.teacher is None else read_tensors(Path(self.job.teacher))
        if initial is not None:
            model.network.load_state_dict(initial)
        if model.teacher is not None:
            if pi_star is None:
                raise ValueError(
                    f"{self.job.method} needs pi*, but the run has neither initial weights nor a teacher"
                )
            model.teacher.load_state_dict(pi_star)
        if self.job.critic is not None:
            self._load_critic(read_tensors(Path(self.job.critic)))
        self._make_context(pi_star)
        checkpoint = load_checkpoint(self.job.checkpoints)
        if checkpoint is not None:
            self._restore(checkpoint)
            return
        self._prepare()
        self._write_milestones(-1)

    def _prepare(self) -> None:
        """Work done once, before the first update."""
        if self.method is not None:
            self.actor_critic.eval()
            if self.job.recurrent:  # on a GPU an LSTM has gradients only in training mode
                self.actor_critic.network.core.train()
            self.method.prepare(self.context)

    def _load_critic(self, tensors: Mapping[str, Tensor]) -> None:
        """Load the value head and, if both have one, the normaliser of returns."""
        model = self.actor_critic
        for name in ("weight", "bias"):
            getattr(model.network.baseline, name).data.copy_(tensors[f"baseline.{name}"])
        stored = selected(tensors, NORMALIZER)
        if model.returns_normalizer is not None and stored:
            model.returns_normalizer.load_state_dict(stored)

    def _make_context(self, weights: Mapping[str, Tensor] | None) -> None:
        """Build the method's context: the student, pi* (of these weights) and the expert's sequences."""
        model = self.actor_critic
        pi_star = model.teacher
        if pi_star is None and weights is not None and self._method_needs_something():
            pi_star = self._frozen_network(weights)
        self.student = RecurrentCategoricalPolicy(model.network, trains_encoder=not model.frozen)
        teacher = expert = None
        if pi_star is not None:
            teacher = RecurrentCategoricalPolicy(pi_star, trains_encoder=False)
            if self.job.expert is not None:
                length = self.job.appo_options.rollout
                expert = ExpertSequences(self.job.open_expert, teacher, length)
        self.generator = torch.Generator().manual_seed(self.job.seed_for("retention"))
        preparation = preparation_of(self.job, self.on_preparation)
        self.context = RetentionContext(self.student, teacher, expert, None, self.generator, 0, preparation)

    def _method_needs_something(self) -> bool:
        return self.method is not None and bool(self.method.needs)

    def _frozen_network(self, weights: Mapping[str, Tensor]) -> Any:
        """A separate, frozen network with ``weights``."""
        network = self.job.make_network()
        network.load_state_dict(dict(weights))
        return network.requires_grad_(False).eval().to(self.actor_critic.network.policy.weight.device)

    def _restore(self, checkpoint: Checkpoint) -> None:
        tensors, state = checkpoint.tensors, checkpoint.state
        self.train_step, self.env_steps = state["train_step"], checkpoint.step
        self._load_model(selected(tensors, "model."))
        self._load_optimizer(selected(tensors, "optimizer."))
        self.generator.set_state(tensors["generator"])
        if self.method is not None:
            self.method.load_state_dict(selected(tensors, "method."), self.context)
        assert self.log is not None
        self.log.restore(state["metrics"], tensors["metrics"])
        self.devices.update(state.get("devices", ()))
        if self.restore_sampler is not None and "sampler" in state:
            self.restore_sampler(selected(tensors, "sampler."), state["sampler"])

    def _load_model(self, tensors: Mapping[str, Tensor]) -> None:
        """Load a checkpoint's model; the teacher is not in it, because it does not change."""
        expected = {name for name in self.actor_critic.state_dict() if not name.startswith(TEACHER)}
        if differing := sorted(expected ^ tensors.keys()):
            raise NoUsableCheckpoint(
                f"{self.job.checkpoints}: made by another version of the code (missing or unexpected: "
                f"{', '.join(differing)}); delete {self.job.state} to train this run again from the start"
            )
        self.actor_critic.load_state_dict(tensors, strict=False)

    def _load_optimizer(self, tensors: Mapping[str, Tensor]) -> None:
        """Load Adam's moments, stored by parameter index."""
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            index, _, key = name.partition(".")
            moments.setdefault(int(index), {})[key] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": moments, "param_groups": groups})

    def _save_impl(
        self, name_prefix: str, name_suffix: str, keep_checkpoints: int, verbose: bool = True
    ) -> bool:
        """Replaces Sample Factory's saving with ours, which is atomic and does not use pickle."""
        if not self.is_initialized or self.failure is not None or name_prefix != "checkpoint":
            return False
        if self.capture is None:  # in serial mode only ``train`` knows when the sampler is idle
            self.save_now()
        return True

    def save_milestone(self) -> None:
        """Does nothing: ``train`` writes milestones at their steps."""

    def save_now(self) -> None:
        """Write a checkpoint."""
        assert self.log is not None
        model = {
            name: value
            for name, value in self.actor_critic.state_dict().items()
            if not name.startswith(TEACHER)
        }
        tensors = {f"model.{name}": value for name, value in model.items()}
        for index, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{key}": value for key, value in moments.items()}
        tensors["generator"] = self.generator.get_state()
        if self.method is not None:
            tensors |= {f"method.{name}": value for name, value in self.method.state_dict().items()}
        tensors["metrics"] = self.log.tensor()
        state: dict[str, Any] = {"train_step": self.train_step, "metrics": self.log.names}
        state["devices"] = sorted(self.devices)
        if self.capture is not None:
            captured, state["sampler"] = self.capture()
            tensors |= {f"sampler.{name}": value for name, value in captured.items()}
        save_checkpoint(self.job.checkpoints, self.env_steps, tensors, state)
        forget_preparation(self.job)
        self.saved = time.monotonic()

    def _write_milestones(self, before: int) -> None:
        """Write the weights of each milestone passed since step ``before``."""
        for milestone in self.job.milestones:
            if before < milestone <= self.env_steps:
                write_milestone(Path(self.job.state), milestone, self.actor_critic.network.state_dict())

    # -- training -------------------------------------------------------------------------------

    def train(self, batch: Any) -> dict[str, Any] | None:
        """Learn from one batch; during the warm-up nothing changes, the normaliser of returns included."""
        try:
            return self._train_on(batch)
        except Exception as error:
            self._fail(error)
            raise

    def _fail(self, error: Exception) -> None:
        """Store the error for the runner; a separate process writes it to a file and exits immediately."""
        self.failure = error
        if not self.cfg.serial_mode:
            logger.exception("training failed")
            write_json(failure_file(self.job), {"text": f"{type(error).__name__}: {error}"})
            os._exit(1)

    def _train_on(self, batch: Any) -> dict[str, Any] | None:
        before = self.env_steps
        if before >= self.job.steps:  # batches in flight when training ended
            return {LEARNER_ENV_STEPS: self.env_steps, POLICY_ID_KEY: self.policy_id}
        if before < self.warm_up:
            self.job.visits.discard()
            self.env_steps += batch["dones"].numel()
            stats: dict[str, Any] | None = {
                LEARNER_ENV_STEPS: self.env_steps,
                POLICY_ID_KEY: self.policy_id,
            }
        else:
            self._note_visits(before + 1)
            stats = super().train(batch)
        self._write_milestones(before)
        due = self.env_steps >= self.job.steps or interruption.received() is not None
        if due or time.monotonic() - self.saved >= self.job.checkpoint_seconds:
            self.save_now()
        interruption.check()
        return stats

    def _note_visits(self, step: int) -> None:
        """Log the Far probes that were first visited in the batch whose first environment step is ``step``.

        A milestone within that batch has learned from all of it, so it counts as one after the visit.
        """
        assert self.log is not None
        for probe in self.job.visits.read():
            self.log.add_first_visit(step, probe)

    def _calculate_losses(self, mb: AttrDict, num_invalids: int) -> Any:
        """Sample Factory's losses; the method's term is added to its KL loss."""
        losses = super()._calculate_losses(mb, num_invalids)
        distribution, policy_loss, exploration_loss, kl_old, kl_loss, value_loss, summaries = losses
        if self.job.trainable == "critic":  # the policy is frozen, so its loss must not have a gradient
            policy_loss = policy_loss.detach()
        penalty = self._penalty(distribution, mb, num_invalids)
        if penalty is not None:
            kl_loss = kl_loss + penalty
        total = float((policy_loss + value_loss + kl_loss).detach())
        if not math.isfinite(total):
            raise UserError(f"the loss is {total} at {self.env_steps} steps; lower learning_rate")
        if self.train_step % MEASURE_EVERY == 0:
            self._measure(distribution, value_loss, penalty)
        return distribution, policy_loss, exploration_loss, kl_old, kl_loss, value_loss, summaries

    def _penalty(self, distribution: Any, batch: AttrDict, num_invalids: int) -> Tensor | None:
        """The method's term; it may run the network again, so the latest action distribution is restored."""
        if self.method is None:
            return None
        model = self.actor_critic
        outputs, teacher_outputs = distribution.raw_logits, model.teacher_outputs
        if num_invalids and teacher_outputs is not None:  # steps too old to learn from
            outputs, teacher_outputs = outputs[batch.valids], teacher_outputs[batch.valids]
        term = self.method.penalty(
            RetentionBatch(
                student=self.student,
                observations=batch.normalized_obs,
                outputs=outputs,
                update=self.train_step,
                teacher_outputs=teacher_outputs,
            )
        )
        model.last_action_distribution = distribution
        return term

    def _measure(self, distribution: Any, value_loss: Tensor, penalty: Tensor | None) -> None:
        assert self.log is not None
        measures = {
            "entropy": float(distribution.entropy().detach().mean()),
            "value_loss": float(value_loss.detach()),
            "learning_rate": float(self.curr_lr or 0.0),
        }
        if penalty is not None:
            measures["penalty"] = float(penalty.detach())
        measures |= self._measures()
        self.log.add(self.env_steps, **measures)

    def _measures(self) -> dict[str, float]:
        """Additional measures of a subclass."""
        return {}
