"""NetHack's part of an APPO run: functions that Sample Factory's processes call by name."""

from __future__ import annotations

from typing import Any

from fpc.domains.nethack.config import EnvironmentOptions, NetHackExperiment, NetworkOptions
from fpc.domains.nethack.environment import NetHackEnvironment
from fpc.domains.nethack.network import NetHackNetwork
from fpc.learners.appo import APPOSpecification, Call
from fpc.learners.appo.options import APPOOptions


def environment_of(
    environment: dict[str, Any], *, seed: int, index: int, started_at: int
) -> NetHackEnvironment:
    """Environment number ``index``; its episode n is seeded by (seed, index, n).

    A run resumed with new games at step ``started_at`` uses (seed, index, started_at, n).
    """
    stream = (seed, index, started_at) if started_at else (seed, index)
    return NetHackEnvironment(EnvironmentOptions.model_validate(environment), stream=stream)


def network_of(network: dict[str, Any], *, seed: int) -> NetHackNetwork:
    """A network initialised from the seed."""
    return NetHackNetwork.seeded(NetworkOptions.model_validate(network), seed)


def specification_of(experiment: NetHackExperiment, options: APPOOptions, **more: Any) -> APPOSpecification:
    """Specification of an APPO run with the experiment's task and network; ``more`` are the other fields."""
    return APPOSpecification(
        environment=Call.of(environment_of, environment=experiment.environment.model_dump(mode="json")),
        network=Call.of(network_of, network=experiment.network.model_dump(mode="json")),
        options=options,
        **more,
    )
