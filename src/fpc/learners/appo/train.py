"""Entry point: train one job with Sample Factory."""

from __future__ import annotations

import logging
import warnings
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from sample_factory.algo.utils.context import global_model_factory, reset_global_context
from sample_factory.algo.utils.misc import ExperimentStatus
from sample_factory.envs.env_utils import register_env
from sample_factory.utils.utils import log as sample_factory_log

from fpc.core import interruption
from fpc.core.checkpoint import load_checkpoint, selected
from fpc.core.errors import TEMPORARY, UserError
from fpc.core.files import read_json, read_tensors
from fpc.core.metric_log import MetricLog
from fpc.core.milestones import milestone_path
from fpc.core.torch_settings import configure_torch
from fpc.learners.appo.factories import make_actor_critic, make_environment
from fpc.learners.appo.job import Job
from fpc.learners.appo.learner import NORMALIZER
from fpc.learners.appo.runner import ParallelRetentionRunner, SerialRetentionRunner
from fpc.learners.appo.settings import ENVIRONMENT, settings
from fpc.learners.appo.specification import APPOSpecification
from fpc.learners.appo.visible_gpu import numbered_gpu
from fpc.learners.interface import Trained

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from fpc.learners.interface import Report


class TrainingFailed(UserError):
    """Sample Factory stopped before the training budget was used up."""


class ProcessDied(TrainingFailed):
    """One of its processes was killed (memory, a crash of the simulator), or the GPU failed."""

    exit_code = TEMPORARY


def train(specification: APPOSpecification) -> Trained:
    """Train one run, see ``train_job``; progress is reported after every batch.

    The learner may run in a separate process, so milestones are written to ``specification.state``, passed to
    ``on_milestone`` at the end of training, and deleted.
    """
    job = specification.job()
    trained = train_job(job, specification.report, specification.on_device)
    for step in sorted(specification.milestones):
        path = milestone_path(specification.state, step)
        if specification.on_milestone is not None and path.exists():
            specification.on_milestone(step, read_tensors(path), {})
            path.unlink()
    return trained


def train_job(job: Job, report: Report, on_device: Callable[[str], None] = lambda name: None) -> Trained:
    """Train until ``job.steps`` environment steps, from the newest checkpoint if there is one.

    ``on_device`` is called with the names of the devices that the learner used, in whichever process it ran.

    Raises:
        NoUsableCheckpoint: checkpoints exist and none can be read.
        OSError: a checkpoint cannot be written.
        TrainingFailed: Sample Factory stopped early; the message names its log.
        KeyboardInterrupt: a signal was received; everything was saved after the current batch.
    """
    sample_factory_log.setLevel(logging.WARNING)
    newest = load_checkpoint(job.checkpoints)
    if newest is None or newest.step < job.steps:
        if newest is not None and job.appo_options.asynchronous:
            job = replace(job, started_at=newest.step)
        _run(job, report)
    return _trained(job, on_device)


def _run(job: Job, report: Report) -> None:
    reset_global_context()
    register_env(ENVIRONMENT, make_environment)
    global_model_factory().register_actor_critic_factory(make_actor_critic)
    Path(job.state).mkdir(parents=True, exist_ok=True)
    job.visits.discard()
    network: Any = job.make_network()
    configuration = settings(job, int(network.core.hidden_size) if job.recurrent else 0)
    serial = not job.appo_options.asynchronous
    if serial:
        configure_torch()
        if job.device == "cuda":
            torch.cuda.init()  # type: ignore[no-untyped-call]
    runner_class = ParallelRetentionRunner if job.appo_options.asynchronous else SerialRetentionRunner
    runner = runner_class(configuration, report)
    with warnings.catch_warnings():  # raised by Sample Factory's own code at every step
        warnings.filterwarnings("ignore", module=r"sample_factory\.|torch\.jit\.")
        with interruption.deferred() if serial else nullcontext():
            with numbered_gpu(job.device):
                status = runner.init()
                if serial and status == ExperimentStatus.SUCCESS:
                    status = runner.run()
            if not serial and status == ExperimentStatus.SUCCESS:
                status = runner.run()  # starts the other processes
    if isinstance(runner, ParallelRetentionRunner):
        runner.write()
    cause = runner.failure()
    if isinstance(cause, UserError | OSError):
        raise cause
    if status == ExperimentStatus.INTERRUPTED:
        raise KeyboardInterrupt
    if status != ExperimentStatus.SUCCESS or cause is not None:
        where = Path(job.state) / "sample_factory" / "sf_log.txt"
        died = isinstance(runner, ParallelRetentionRunner) and runner.process_died
        kind = ProcessDied if died or "CUDA error" in str(cause) else TrainingFailed
        raise kind(
            f"Sample Factory stopped before {job.steps} steps ({cause or 'see its log'}; log: {where}); "
            "the same command continues from the last checkpoint"
        ) from cause


def _trained(job: Job, on_device: Callable[[str], None]) -> Trained:
    """The result, from the last checkpoint."""
    checkpoint = load_checkpoint(job.checkpoints)
    if checkpoint is None or checkpoint.step < job.steps:
        raise TrainingFailed(f"{job.checkpoints}: training ended without a final checkpoint; run it again")
    for name in checkpoint.state.get("devices", ()):
        on_device(name)
    model = selected(checkpoint.tensors, "model.")
    network = selected(model, "network.")
    critic = {name: value for name, value in network.items() if "baseline." in name}
    critic |= {name: value for name, value in model.items() if name.startswith(NORMALIZER)}
    log = MetricLog()
    log.restore(checkpoint.state["metrics"], checkpoint.tensors["metrics"])
    table = log.table(job.seed)
    rows = Path(job.state) / "episodes.safetensors"
    if rows.exists():  # asynchronous: episodes are recorded outside the learner's process
        table = _with_episodes(table, rows, job.seed)
    return Trained(network, critic, table)


def _with_episodes(table: pd.DataFrame, rows: Path, seed: int) -> pd.DataFrame:
    import pandas as pd

    log = MetricLog()
    log.restore(read_json(rows.with_suffix(".json")), read_tensors(rows)["rows"])
    return pd.concat([log.table(seed), table], ignore_index=True).sort_values("step", kind="stable")
