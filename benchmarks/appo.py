"""Speed of our APPO compared with plain Sample Factory, and the cost of each retention method.

Serial mode on one core with the same network, environment and batches; interleaved rounds, medians. Time is
measured from the first batch to the last, so start-up does not count. Prints a markdown table; ``--output``
writes the numbers as JSON.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from sample_factory.algo.runners.runner_serial import SerialRunner
from sample_factory.algo.utils.context import global_model_factory, reset_global_context
from sample_factory.algo.utils.misc import LEARNER_ENV_STEPS
from sample_factory.envs.env_utils import register_env
from sample_factory.utils.utils import log

from fpc.core.files import write_tensors
from fpc.core.torch_settings import configure_torch
from fpc.learners.appo.factories import make_actor_critic, make_environment
from fpc.learners.appo.job import Job
from fpc.learners.appo.runner import SerialRetentionRunner
from fpc.learners.appo.settings import ENVIRONMENT, settings
from fpc.workflow.loader import load

EXPERT = "fpc.domains.nethack.expert_sequences:open_sequences"


def job_for(folder: Path, steps: int, method: str | None) -> Job:
    """A job of the laptop scale from random weights; BC's expert data are random sequences."""
    configuration = load("laptop")
    experiment: Any = configuration.experiments["nethack"]
    job = Job(
        environment="fpc.domains.nethack.factories:environment_of",
        environment_arguments={"environment": experiment.environment.model_dump(mode="json")},
        network="fpc.domains.nethack.factories:network_of",
        network_arguments={"network": experiment.network.model_dump(mode="json")},
        appo={**experiment.finetune.appo.model_dump(mode="json"), "warm_up_steps": 0},
        seed=0,
        steps=steps,
        trainable="core",
        state=str(folder / f"state_{method}_{time.monotonic_ns()}"),
        checkpoint_seconds=1e9,
        initial=str(folder / "policy.safetensors"),
        method=method,
        options=None if method is None else configuration.options("nethack", method).model_dump(mode="json"),
        expert=EXPERT,
        expert_arguments={"folder": str(folder), "pi_star": str(folder / "policy.safetensors")},
    )
    if not (folder / "policy.safetensors").exists():
        network: Any = job.make_network()
        write_tensors(folder / "policy.safetensors", network.state_dict())
        count, hidden = 50_000, int(network.core.hidden_size)
        generator = torch.Generator().manual_seed(0)
        data = {
            "features": torch.rand(count, hidden, generator=generator).half(),
            "actions": torch.zeros(count, dtype=torch.uint8),
            "starts": torch.arange(count) % 1000 == 0,
            "depth": torch.ones(count, dtype=torch.uint8),
        }
        write_tensors(folder / "expert.safetensors", data)
    return job


def clocked(job: Job, runner_of: Callable[[Any, Any], SerialRunner], hidden: int) -> dict[str, float]:
    """Steps per second from the first batch to the last, and the learner's median seconds per batch.

    ``hidden`` is the number of units of the network's LSTM, 0 without one.
    """
    reset_global_context()
    register_env(ENVIRONMENT, make_environment)
    global_model_factory().register_actor_critic_factory(make_actor_critic)
    marks: list[tuple[float, int]] = []
    spent: list[float] = []

    def report(step: int, total: int, **measures: float) -> None:
        marks.append((time.perf_counter(), step))

    runner = runner_of(settings(job, hidden), report)
    runner.init()
    worker = runner.learners[0]
    train = worker.learner.train

    def timed(batch: Any) -> Any:
        start = time.perf_counter()
        result = train(batch)
        spent.append(time.perf_counter() - start)
        return result

    worker.learner.train = timed
    runner.run()
    (first, first_step), (last, last_step) = marks[1], marks[-1]
    return {
        "steps_per_second": (last_step - first_step) / (last - first),
        "learner_seconds": statistics.median(spent),
    }


def plain(cfg: Any, report: Any) -> SerialRunner:
    """Unmodified Sample Factory."""
    runner = SerialRunner(cfg)
    steps = [0]

    def on_progress(_: Any, message: Any, policy: int) -> None:
        steps[0] = message[LEARNER_ENV_STEPS]
        report(steps[0], 0)

    runner.policy_msg_handlers[LEARNER_ENV_STEPS].append(on_progress)
    return runner


SIDES: dict[str, tuple[str | None, Callable[[Any, Any], SerialRunner]]] = {
    "sample_factory": (None, plain),
    "vanilla": ("vanilla", SerialRetentionRunner),
    "kickstarting": ("kickstarting", SerialRetentionRunner),
    "behavioral_cloning": ("behavioral_cloning", SerialRetentionRunner),
}


def main() -> None:
    """Run the benchmark and report it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batches", type=int, default=16, help="batches per round and side")
    parser.add_argument("--output", type=Path, help="JSON file for the numbers")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    log.setLevel("ERROR")
    configure_torch()
    found: dict[str, list[dict[str, float]]] = {name: [] for name in SIDES}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        experiment: Any = load("laptop").experiments["nethack"]
        batch, hidden = experiment.finetune.appo.batch_size, int(experiment.network.hidden)
        for number in range(arguments.rounds):
            for side in list(SIDES) if number % 2 else list(reversed(SIDES)):
                method, runner_of = SIDES[side]
                job = job_for(folder, arguments.batches * batch, method)
                found[side].append(clocked(job, runner_of, hidden))
    medians = {
        side: {key: statistics.median(row[key] for row in rows) for key in rows[0]}
        for side, rows in found.items()
    }
    base, vanilla = medians["sample_factory"], medians["vanilla"]
    print("| | steps/s | relative to Sample Factory | learner ms/batch | relative to vanilla |")
    print("|---|---|---|---|---|")
    for side, row in medians.items():
        row["speed_ratio"] = row["steps_per_second"] / base["steps_per_second"]
        row["learner_ratio"] = row["learner_seconds"] / vanilla["learner_seconds"]
        print(
            f"| {side} | {row['steps_per_second']:.0f} | {row['speed_ratio']:.2f} "
            f"| {row['learner_seconds'] * 1e3:.0f} | {row['learner_ratio']:.2f} |"
        )
    if arguments.output is not None:
        result = {
            "processor": platform.processor() or platform.machine(),
            "torch": torch.__version__,
            "rows": medians,
        }
        arguments.output.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
