"""Factory functions that Sample Factory calls in its processes; its configuration contains the job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import gymnasium

from fpc.core.processes import end_with_parent
from fpc.core.torch_settings import configure_gpu
from fpc.learners.appo.actor_critic import RecurrentActorCritic
from fpc.learners.appo.job import Job
from fpc.learners.appo.rnd_actor_critic import RNDActorCritic
from fpc.learners.appo.visits import VisitNotes
from fpc.learners.interface import VISITED

if TYPE_CHECKING:
    from sample_factory.utils.attr_dict import AttrDict


class SeededEnvironment(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Episodes are seeded by the environment's own stream, not by Sample Factory.

    The metrics of a finished episode are passed on as Sample Factory's extra statistics, and visits to Far
    probes (``info[VISITED]``) are noted.
    """

    def __init__(self, environment: gymnasium.Env[Any, Any], visits: VisitNotes) -> None:
        super().__init__(environment)
        self.visits = visits

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """Start the next episode of the environment's own stream; ``seed`` is ignored."""
        observation, info = self.env.reset(options=options)
        self._note(info)
        return observation, info

    def step(self, action: Any) -> Any:
        """Step the environment and pass on its metrics."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._note(info)
        if "metrics" in info:
            info["episode_extra_stats"] = info["metrics"]
        return observation, reward, terminated, truncated, info

    def _note(self, info: Mapping[str, Any]) -> None:
        if (probe := info.get(VISITED)) is not None:
            self.visits.add(probe)


def make_environment(
    name: str, cfg: Any, env_config: Any, render_mode: str | None = None
) -> SeededEnvironment:
    """Factory function for environments."""
    end_with_parent()
    index = 0 if env_config is None else int(env_config["env_id"])
    job = Job.of(cfg["fpc"])
    return SeededEnvironment(job.make_environment(index), job.visits)


def make_actor_critic(
    cfg: AttrDict, obs_space: Any, action_space: Any
) -> RecurrentActorCritic | RNDActorCritic:
    """Factory function for actor-critics, called in each process that runs the network."""
    end_with_parent()
    configure_gpu()
    actor_critic = RecurrentActorCritic if Job.of(cfg["fpc"]).recurrent else RNDActorCritic
    return actor_critic(obs_space, action_space, cfg)
