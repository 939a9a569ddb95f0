"""One training run as plain values, which Sample Factory passes to every process it spawns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from fpc.core.device import Device
from fpc.core.seeds import seed_of, stream_of
from fpc.learners.appo.options import APPOOptions
from fpc.learners.appo.rnd_options import RNDOptions
from fpc.learners.appo.visits import VisitNotes
from fpc.retention.interface import RetentionMethod
from fpc.retention.registry import load_method

if TYPE_CHECKING:
    import gymnasium
    from torch import Tensor, nn

Trainable = Literal["all", "core", "heads", "critic"]


class Network(Protocol):
    """A recurrent policy and value network, as an ``nn.Module``.

    ``core`` is a one-layer LSTM of ``hidden`` units on features of the same size; ``policy`` and
    ``baseline`` are linear.
    """

    core: nn.LSTM
    policy: nn.Linear
    baseline: nn.Linear

    def encode(self, observations: Mapping[str, Tensor]) -> Tensor:
        """Features ``[N, hidden]`` of observations, each ``[N, ...]``."""
        ...

    def freeze_encoder(self, *, moving_statistics: bool = False) -> None:
        """Disable gradients in the encoder; update its BatchNorm statistics only if ``moving_statistics``."""
        ...


@dataclass(frozen=True)
class Job:
    """What to train; every value is JSON.

    ``environment``, ``network`` and ``expert`` are functions named ``module:function``; they are called with
    their arguments and a seed, ``environment`` with the ``stream`` of its episodes instead.
    """

    environment: str
    environment_arguments: dict[str, Any]
    network: str
    network_arguments: dict[str, Any]
    appo: dict[str, Any]
    seed: int
    steps: int
    trainable: Trainable
    state: str  # folder of checkpoints and of Sample Factory's own files
    device: Device = "cpu"  # of learner and policy; environments are always on CPUs
    checkpoint_seconds: float = 60.0
    method: str | None = None
    options: dict[str, Any] | None = None
    initial: str | None = None  # safetensors of pi*, to start from
    teacher: str | None = (
        None  # safetensors of pi*, if the run does not start from it but its method needs it
    )
    critic: str | None = None  # safetensors of its critic
    expert: str | None = None
    expert_arguments: dict[str, Any] | None = None
    milestones: tuple[int, ...] = ()
    rnd: dict[str, Any] | None = None  # if given: a policy without memory, with intrinsic rewards
    started_at: int = 0  # step at which an asynchronous run resumed, with new games
    phase: str = "finetune"  # word of the random streams, see fpc.core.seeds.stream_of

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Job:
        """The inverse of ``values``; unknown keys are ignored."""
        known = {field.name for field in fields(cls)}
        job = {name: value for name, value in values.items() if name in known}
        return cls(**{**job, "milestones": tuple(job.get("milestones", ()))})

    def values(self) -> dict[str, Any]:
        """The job as JSON values."""
        return {**asdict(self), "milestones": list(self.milestones)}

    @property
    def appo_options(self) -> APPOOptions:
        """APPO's options."""
        return APPOOptions.model_validate(self.appo)

    @property
    def recurrent(self) -> bool:
        """Whether the policy has an LSTM."""
        return self.rnd is None

    @property
    def rnd_options(self) -> RNDOptions:
        """Options of random network distillation."""
        return RNDOptions.model_validate(self.rnd)

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return Path(self.state) / "checkpoints"

    @property
    def visits(self) -> VisitNotes:
        """Far probes that the run's environments have been at."""
        return VisitNotes(Path(self.state) / "visits")

    @property
    def pretrained(self) -> bool:
        """Whether training starts from given weights."""
        return self.initial is not None

    def make_network(self) -> nn.Module:
        """A new network, initialised from the run's seed and phase."""
        seed = self.seed_for("network")
        network: nn.Module = _function(self.network)(**self.network_arguments, seed=seed)
        return network

    def seed_for(self, use: str) -> int:
        """The seed, below 2^31, of a use of randomness other than the environments."""
        return seed_of(*stream_of(self.seed, f"{self.phase} {use}")) >> 32

    def make_environment(self, index: int) -> gymnasium.Env[Any, Any]:
        """Environment number ``index``; its episode n is seeded by (seed, phase, ``index``, n).

        A run resumed with new games at step ``started_at`` uses (seed, phase, ``index``, ``started_at``, n).
        """
        resumed = (self.started_at,) if self.started_at else ()
        stream = (*stream_of(self.seed, self.phase), index, *resumed)
        environment: gymnasium.Env[Any, Any] = _function(self.environment)(
            **self.environment_arguments, stream=stream
        )
        return environment

    def make_method(self) -> RetentionMethod | None:
        """The retention method, not yet prepared."""
        if self.method is None:
            return None
        method_class = load_method(self.method)
        return method_class(method_class.Options.model_validate(self.options or {}))

    def open_expert(self, streams: int, length: int, seed: int, limit: int | None = None) -> Any:
        """Expert sequences; see :class:`fpc.learners.appo.expert_sequences.OpenSequences`."""
        if self.expert is None:
            raise ValueError("the retention method needs expert data, but the job has none")
        arguments = {**(self.expert_arguments or {}), "streams": streams, "sequence_length": length}
        if limit is not None:
            arguments["limit"] = limit
        return _function(self.expert)(**arguments, seed=seed)

    def open_data(self) -> Any:
        """Expert states of a policy without memory."""
        assert self.expert is not None
        return _function(self.expert)(**(self.expert_arguments or {}))


def _function(name: str) -> Any:
    module, _, function = name.partition(":")
    return getattr(import_module(module), function)
