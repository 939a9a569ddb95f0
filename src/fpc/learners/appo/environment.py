"""Environments as Sample Factory makes them."""

from __future__ import annotations

from typing import Any

import gymnasium

from fpc.core.processes import end_with_parent
from fpc.learners.appo.job import Job


class Seeded(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Episodes follow from the run's seed and the environment's place, not from Sample Factory's seed.

    The metrics of a finished episode become Sample Factory's extra statistics.
    """

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """The next episode of the environment's own stream."""
        return self.env.reset(options=options)

    def step(self, action: Any) -> Any:
        """As the environment's."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        if "metrics" in info:
            info["episode_extra_stats"] = info["metrics"]
        return observation, reward, terminated, truncated, info


def make_environment(name: str, cfg: Any, env_config: Any, render_mode: str | None = None) -> Seeded:
    """Sample Factory's factory function."""
    job = Job.of(cfg["fpc"])
    end_with_parent()
    return Seeded(job.make_environment(0 if env_config is None else int(env_config["env_id"])))
