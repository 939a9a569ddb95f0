"""Translates our options into Sample Factory's configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sample_factory.cfg.arguments import parse_full_cfg, parse_sf_args
from sample_factory.utils.attr_dict import AttrDict

from fpc.learners.appo.job import Job
from fpc.retention.interface import Need

ENVIRONMENT = "fpc"
NEVER = 10**9  # seconds


def carries_teacher(job: Job) -> bool:
    """Whether pi*'s recurrent state is carried alongside the student's, for a method that compares both."""
    method = job.make_method()
    return job.recurrent and method is not None and {Need.TEACHER, Need.ONLINE_OBSERVATIONS} <= method.needs


def settings(job: Job, hidden: int) -> AttrDict:
    """Sample Factory's configuration for a job whose LSTM has ``hidden`` units (0 without an LSTM).

    Sample Factory's own saving and normalisation of observations are disabled: we do both.
    """
    appo = job.appo_options
    chosen: dict[str, Any] = {
        "env": ENVIRONMENT,
        "algo": "APPO",
        "experiment": "sample_factory",
        "train_dir": str(Path(job.state).resolve()),
        "restart_behavior": "resume",
        "device": "gpu" if job.device == "cuda" else "cpu",
        "seed": job.seed_for("sampling"),
        "serial_mode": not appo.asynchronous,
        "async_rl": appo.asynchronous,
        "batched_sampling": False,
        "num_workers": appo.workers,
        "num_envs_per_worker": appo.environments_per_worker,
        "worker_num_splits": appo.splits,
        "policy_workers_per_policy": 1,
        "decorrelate_experience_max_seconds": 0,
        "decorrelate_envs_on_one_worker": False,
        "set_workers_cpu_affinity": False,
        "use_env_info_cache": False,
        # Sample Factory stops *above* this number of steps.
        "train_for_env_steps": job.steps - 1,
        "summaries_use_frameskip": False,
        "env_frameskip": 1,
        "rollout": appo.rollout,
        "recurrence": appo.rollout if job.recurrent else 1,
        "batch_size": appo.batch_size,
        "num_batches_per_epoch": appo.minibatches,
        "num_epochs": appo.epochs,
        "shuffle_minibatches": not job.recurrent,
        "optimizer": "adam",
        "learning_rate": appo.learning_rate,
        "lr_schedule": "constant",  # the learner sets its own: Sample Factory's loses its step on resume
        "adam_beta1": appo.adam_beta1,
        "adam_beta2": appo.adam_beta2,
        "adam_eps": appo.adam_epsilon,
        "gamma": appo.gamma,
        "gae_lambda": appo.gae_lambda,
        "ppo_clip_ratio": appo.clip_ratio,
        "ppo_clip_value": appo.clip_value,
        "value_loss_coeff": appo.value_coefficient,
        "exploration_loss": "entropy",
        "exploration_loss_coeff": appo.entropy_coefficient,
        "kl_loss_coeff": 0.0,
        "with_vtrace": False,
        "value_bootstrap": False,
        "max_grad_norm": appo.max_grad_norm,
        "reward_scale": appo.reward_scale,
        "reward_clip": appo.reward_clip,
        "normalize_input": False,
        "normalize_returns": appo.normalize_returns,
        "max_policy_lag": appo.max_policy_lag,
        "use_rnn": job.recurrent,
        "rnn_type": "lstm",
        "rnn_size": hidden * (2 if carries_teacher(job) else 1),
        "rnn_num_layers": 1,
        "actor_critic_share_weights": True,
        # Preparing a method can take longer than any heartbeat interval; the runner detects dead processes.
        "heartbeat_reporting_interval": NEVER,
        "save_every_sec": NEVER,
        "save_best_every_sec": NEVER,
        "save_milestones_sec": -1,
        "with_wandb": False,
        "with_pbt": False,
    }
    parser, _ = parse_sf_args([f"--env={ENVIRONMENT}"])
    configuration = AttrDict(vars(parse_full_cfg(parser, [f"--env={ENVIRONMENT}"])))
    if unknown := set(chosen) - set(configuration):
        raise KeyError(f"Sample Factory has no options {', '.join(sorted(unknown))}")
    configuration.update(chosen)
    configuration["fpc"] = job.values()
    return configuration
