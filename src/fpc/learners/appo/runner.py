"""Sample Factory's runners with our learners and sampler."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from sample_factory.algo.learning.learner_worker import LearnerWorker
from sample_factory.algo.runners.runner_parallel import ParallelRunner
from sample_factory.algo.runners.runner_serial import SerialRunner
from sample_factory.algo.utils.env_info import extract_env_info
from sample_factory.algo.utils.make_env import make_env_func_batched
from sample_factory.algo.utils.misc import EPISODIC, LEARNER_ENV_STEPS, ExperimentStatus
from sample_factory.algo.utils.shared_buffers import BufferMgr
from sample_factory.cfg.arguments import preprocess_cfg
from sample_factory.utils.utils import init_file_logger
from signal_slot.signal_slot import Timer

from fpc.core.files import read_json, read_tensors, write_json, write_tensors
from fpc.core.metric_log import MetricLog
from fpc.learners.appo.job import Job
from fpc.learners.appo.learner import RetentionLearner, failure_file
from fpc.learners.appo.preparing import noted_progress
from fpc.learners.appo.rnd_learner import RNDLearner
from fpc.learners.appo.sampling import ResumableSampler, capture
from fpc.learners.appo.visible_gpu import begin_on_gpu

Report = Callable[..., None]
LIVENESS_SECONDS = 5.0  # between two checks that all processes are alive


def _retention_worker(worker: LearnerWorker, cfg: Any, env_info: Any, buffer_mgr: Any) -> LearnerWorker:
    """The worker, with its learner replaced by ours."""
    learner_class = RetentionLearner if Job.of(cfg["fpc"]).recurrent else RNDLearner
    worker.learner = learner_class(
        cfg, env_info, buffer_mgr.policy_versions, worker.learner.policy_id, worker.param_server
    )
    return worker


class EpisodeWatch:
    """Logs every finished episode and reports the progress of training."""

    def __init__(self, runner: Any, log: MetricLog, steps: int, report: Report) -> None:
        self.log, self.steps, self.report = log, steps, report
        runner.register_episodic_stats_handler(self.on_episode)
        runner.policy_msg_handlers[LEARNER_ENV_STEPS].append(self.on_progress)
        self.last: dict[str, float] = {}

    def on_episode(self, runner: Any, message: Any, policy: int) -> None:
        """Handle Sample Factory's message about a finished episode."""
        found = message[EPISODIC]
        self.last = {"return": float(found["reward"]), "length": float(found["len"])}
        extra = found.get("episode_extra_stats", {})
        self.log.add(runner.env_steps.get(policy, 0), **self.last, **extra)

    def on_preparation(self, done: float, total: float) -> None:
        """Report the progress of the method's preparation, before the first step."""
        self.report(0, self.steps, prepared=done / total)

    def on_progress(self, runner: Any, message: Any, policy: int) -> None:
        """Handle Sample Factory's message about the learner's steps."""
        self.report(min(message[LEARNER_ENV_STEPS], self.steps), self.steps, **self.last)


class SerialRetentionRunner(SerialRunner):  # type: ignore[misc]
    """Everything in one process; bit-reproducible on one CPU, even after a kill."""

    def __init__(self, cfg: Any, report: Report) -> None:
        super().__init__(cfg)
        self.job = Job.of(cfg["fpc"])
        self.log = MetricLog()
        self.watch = EpisodeWatch(self, self.log, self.job.steps, report)

    def init(self) -> Any:
        """Sample Factory's, but reads the spaces in this process: starting another one takes seconds."""
        environment = make_env_func_batched(self.cfg, env_config=None)
        self.env_info = extract_env_info(environment, self.cfg)
        environment.close()
        self.reward_shaping[0] = self.env_info.reward_shaping_scheme
        if not preprocess_cfg(self.cfg, self.env_info):
            return ExperimentStatus.FAILURE
        init_file_logger(self.cfg)
        self._save_cfg()
        self.buffer_mgr = BufferMgr(self.cfg, self.env_info)
        self.batchers[0] = self._make_batcher(self.event_loop, 0)
        self.learners[0] = self._make_learner(self.event_loop, 0, self.batchers[0])
        self.sampler = self._make_sampler(ResumableSampler, self.event_loop)
        self.connect_components()
        return ExperimentStatus.SUCCESS

    def _make_learner(self, event_loop: Any, policy_id: int, batcher: Any) -> LearnerWorker:
        worker = super()._make_learner(event_loop, policy_id, batcher)
        _retention_worker(worker, self.cfg, self.env_info, self.buffer_mgr)
        self.learner: RetentionLearner = worker.learner
        self.learner.log = self.log
        self.learner.on_preparation = self.watch.on_preparation
        return worker

    def _make_sampler(self, sampler_cls: type, event_loop: Any) -> Any:
        sampler = super()._make_sampler(sampler_cls, event_loop)

        def restore_sampler(tensors: Any, state: Any) -> None:
            sampler.rollout_workers[0].pending = (tensors, state)

        self.learner.capture = lambda: capture(sampler)
        self.learner.restore_sampler = restore_sampler
        return sampler

    def failure(self) -> BaseException | None:
        """The error that ended training early, or None."""
        workers = () if self.sampler is None else self.sampler.rollout_workers
        failures = [self.learner.failure, *(worker.failure for worker in workers)]
        return next((failure for failure in failures if failure is not None), None)


class ParallelRetentionRunner(ParallelRunner):  # type: ignore[misc]
    """Sampler, policy and learner in separate processes; new games start after a kill."""

    def __init__(self, cfg: Any, report: Report) -> None:
        super().__init__(cfg)
        self.job = Job.of(cfg["fpc"])
        self.log = MetricLog()
        self.rows = Path(self.job.state) / "episodes.safetensors"
        self.written = time.monotonic()
        self.started = False
        self.process_died = False
        failure_file(self.job).unlink(missing_ok=True)
        self.watch = EpisodeWatch(self, self.log, self.job.steps, report)
        self.policy_msg_handlers[LEARNER_ENV_STEPS].append(self._on_progress)
        self.liveness_timer = Timer(self.event_loop, LIVENESS_SECONDS)
        self.liveness_timer.timeout.connect(self._check_processes)

    def init(self) -> Any:
        """Sample Factory's; on a GPU, only the learner's process and the policy's begin with CUDA."""
        status = super().init()
        if status == ExperimentStatus.SUCCESS and self.job.device == "cuda":
            policies = self.sampler.processes[: len(self.sampler.inference_workers[0])]
            for process in [*self.processes, *policies]:
                process._init_func = partial(begin_on_gpu, process._init_func)
        return status

    def _make_learner(self, event_loop: Any, policy_id: int, batcher: Any) -> LearnerWorker:
        worker = super()._make_learner(event_loop, policy_id, batcher)
        return _retention_worker(worker, self.cfg, self.env_info, self.buffer_mgr)

    def _on_progress(self, runner: Any, message: Any, policy: int) -> None:
        """First restore the episodes of an earlier attempt up to its checkpoint; later write new ones."""
        if not self.started:
            self.started = True
            self._read(message[LEARNER_ENV_STEPS])
        elif time.monotonic() - self.written >= self.job.checkpoint_seconds:
            self.write()

    def _read(self, step: int) -> None:
        names = self.rows.with_suffix(".json")
        if step and names.exists():
            rows = read_tensors(self.rows)["rows"]
            self.log.restore(read_json(names), rows[rows[:, 0] <= step])

    def write(self) -> None:
        """Write the finished episodes, unless those of an earlier attempt are yet to be read."""
        if not self.started:
            return
        write_json(
            self.rows.with_suffix(".json"), self.log.names
        )  # before the rows: names are only ever added
        write_tensors(self.rows, {"rows": self.log.tensor()})
        self.written = time.monotonic()

    def _check_processes(self) -> None:
        """Report a preparation's progress; end training if a process has died: others would wait forever."""
        prepared = None if self.started else noted_progress(self.job)
        if prepared is not None:
            self.watch.on_preparation(prepared, 1.0)
        processes = [self.learners[0].event_loop.process, *self.sampler.processes]
        if self.stopped or all(process.exitcode is None for process in processes):  # None before it starts
            return
        for process in processes:
            if process.is_alive():
                process.kill()
        self.process_died = True
        self.event_loop.stop()

    def failure(self) -> BaseException | None:
        """The error that ended training early in another process, or None."""
        text = failure_file(self.job)
        if text.exists():
            return RuntimeError(read_json(text)["text"])
        return RuntimeError("one of its processes died") if self.process_died else None
