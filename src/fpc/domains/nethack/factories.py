"""NetHack's part of an APPO run: functions that Sample Factory's processes call by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fpc.domains.nethack.config import EnvironmentOptions, NetHackExperiment, NetworkOptions
from fpc.domains.nethack.environment import NetHackEnvironment
from fpc.domains.nethack.network import NetHackNetwork
from fpc.learners.appo import APPOSpecification, Call
from fpc.learners.appo.options import APPOOptions


def environment_of(
    environment: dict[str, Any], far_level: int | None = None, *, stream: Sequence[int]
) -> NetHackEnvironment:
    """An environment that tells when it is at ``far_level``; its episode n is seeded by (*stream, n)."""
    options = EnvironmentOptions.model_validate(environment)
    return NetHackEnvironment(options, stream=stream, far_level=far_level)


def network_of(network: dict[str, Any], *, seed: int) -> NetHackNetwork:
    """A network initialised from the seed."""
    return NetHackNetwork.seeded(NetworkOptions.model_validate(network), seed)


def specification_of(experiment: NetHackExperiment, options: APPOOptions, **more: Any) -> APPOSpecification:
    """Specification of an APPO run with the experiment's task and network; ``more`` are the other fields."""
    environment = experiment.environment.model_dump(mode="json")
    far_level = experiment.collect.far_level
    return APPOSpecification(
        environment=Call.of(environment_of, environment=environment, far_level=far_level),
        network=Call.of(network_of, network=experiment.network.model_dump(mode="json")),
        options=options,
        **more,
    )
