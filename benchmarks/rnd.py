"""The learner's overhead from random network distillation, on Montezuma's Revenge at the laptop scale.

Serial mode on one core with the same network, games and batches; interleaved rounds, medians. Without RND
there is one value head's loss, no predictor and no intrinsic reward. Prints a markdown table; ``--output``
writes the numbers as JSON.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import torch
from sample_factory.algo.runners.runner_serial import SerialRunner
from sample_factory.utils.utils import log

from appo import clocked
from fpc.core.files import write_json
from fpc.core.torch_settings import configure_torch
from fpc.domains.montezuma.factories import specification_of
from fpc.learners.appo.learner import RetentionLearner
from fpc.learners.appo.rnd_learner import RNDLearner
from fpc.learners.appo.runner import SerialRetentionRunner
from fpc.workflow.loader import load


class PlainLearner(RNDLearner):
    """APPO without RND."""

    _prepare_batch = RetentionLearner._prepare_batch
    _calculate_losses = RetentionLearner._calculate_losses
    _measures = RetentionLearner._measures


def without(cfg: Any, report: Any) -> SerialRunner:
    """A runner whose learner does not use RND."""

    class Runner(SerialRetentionRunner):
        def _make_learner(self, *arguments: Any) -> Any:
            worker = super()._make_learner(*arguments)
            worker.learner.__class__ = PlainLearner
            return worker

    return Runner(cfg, report)


SIDES = {"with RND": SerialRetentionRunner, "without": without}


def main() -> None:
    """Run the benchmark and report it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batches", type=int, default=5, help="batches of 1,024 steps per round and side")
    parser.add_argument("--output", type=Path, help="JSON file for the numbers")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    log.setLevel("ERROR")
    configure_torch()
    experiment: Any = load("laptop").experiments["montezuma"]
    appo = experiment.finetune.appo
    rnd = experiment.finetune.rnd.model_copy(update={"warm_up_steps": 64})
    steps = arguments.batches * appo.batch_size * appo.minibatches
    found: dict[str, list[dict[str, float]]] = {name: [] for name in SIDES}
    with tempfile.TemporaryDirectory() as name:
        for number in range(arguments.rounds):
            for side in list(SIDES)[:: -1 if number % 2 else 1]:
                state = Path(name) / f"state_{time.monotonic_ns()}"
                specification = specification_of(
                    experiment,
                    appo,
                    rnd,
                    seeds=(0,),
                    steps=steps,
                    state=state,
                    report=lambda step, total, **measures: None,
                    checkpoint_seconds=1e9,
                )
                found[side].append(clocked(specification.job(), SIDES[side], 0))
    rows: dict[str, dict[str, float]] = {
        side: {key: statistics.median(row[key] for row in measured) for key in measured[0]}
        for side, measured in found.items()
    }
    print("| | steps/s | learner ms/batch | relative to without RND |")
    print("|---|---|---|---|")
    for side, row in rows.items():
        row["learner_ratio"] = row["learner_seconds"] / rows["without"]["learner_seconds"]
        print(
            f"| {side} | {row['steps_per_second']:.0f} | {row['learner_seconds'] * 1e3:.0f} "
            f"| {row['learner_ratio']:.2f} |"
        )
    if arguments.output is not None:
        processor = platform.processor() or platform.machine()
        write_json(arguments.output, {"processor": processor, "torch": torch.__version__, "rows": rows})


if __name__ == "__main__":
    main()
