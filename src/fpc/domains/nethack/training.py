"""Factories of NetHack's environment and network, which Sample Factory's processes call by name."""

from __future__ import annotations

from typing import Any

from fpc.domains.nethack.config import EnvironmentOptions, NetworkOptions
from fpc.domains.nethack.environment import NetHackEnvironment
from fpc.domains.nethack.network import NetHackNetwork


def environment_of(
    environment: dict[str, Any], *, seed: int, place: int, started_at: int
) -> NetHackEnvironment:
    """The environment at ``place``: its episode n is seeded by (seed, place, n).

    After ``started_at`` steps of a run that could not keep its games, by (seed, place, started_at, n).
    """
    stream = (seed, place, started_at) if started_at else (seed, place)
    return NetHackEnvironment(EnvironmentOptions.model_validate(environment), stream=stream)


def network_of(network: dict[str, Any], *, seed: int) -> NetHackNetwork:
    """A network whose first weights follow from the seed."""
    return NetHackNetwork.seeded(NetworkOptions.model_validate(network), seed)
