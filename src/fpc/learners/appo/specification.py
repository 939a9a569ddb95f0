"""The specification of an APPO run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fpc.learners.appo.job import Job, Trainable
from fpc.learners.appo.options import APPOOptions
from fpc.learners.appo.rnd_options import RNDOptions
from fpc.learners.interface import Specification
from fpc.retention.registry import method_name


@dataclass(frozen=True)
class Call:
    """A function's name (``module:function``) and JSON arguments, to be called in another process."""

    function: str
    arguments: dict[str, Any]

    @classmethod
    def of(cls, function: Callable[..., Any], **arguments: Any) -> Call:
        """A call of a module-level function."""
        return cls(f"{function.__module__}:{function.__name__}", arguments)


@dataclass(frozen=True, kw_only=True)
class APPOSpecification(Specification):
    """One run of APPO; ``environment``, ``network`` and ``expert`` are called in Sample Factory's processes.

    ``network`` and ``expert`` also receive a seed, ``environment`` the stream of its episodes, see
    :class:`fpc.learners.appo.job.Job`. With ``rnd`` the policy has no memory and receives intrinsic rewards.
    """

    environment: Call
    network: Call
    options: APPOOptions
    rnd: RNDOptions | None = None
    trainable: Trainable = "all"
    initial_policy: Path | None = None  # safetensors of pi*; None: random initialisation
    initial_critic: Path | None = None
    teacher: Path | None = None  # safetensors of pi* for a run that does not start from it
    expert: Call | None = None

    def job(self) -> Job:
        """The run as plain values, for other processes."""
        method = self.method
        return Job(
            environment=self.environment.function,
            environment_arguments=self.environment.arguments,
            network=self.network.function,
            network_arguments=self.network.arguments,
            appo=self.options.model_dump(mode="json"),
            rnd=None if self.rnd is None else self.rnd.model_dump(mode="json"),
            seed=self.seed,
            phase=self.phase,
            steps=self.steps,
            trainable=self.trainable,
            state=str(self.state),
            device=self.device,
            checkpoint_seconds=self.checkpoint_seconds,
            method=None if method is None else method_name(method),
            options=None if method is None else method.options.model_dump(mode="json"),
            initial=None if self.initial_policy is None else str(self.initial_policy),
            teacher=None if self.teacher is None else str(self.teacher),
            critic=None if self.initial_critic is None else str(self.initial_critic),
            expert=None if self.expert is None else self.expert.function,
            expert_arguments=None if self.expert is None else self.expert.arguments,
            milestones=self.milestones,
        )
