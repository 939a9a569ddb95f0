"""Runs that share a Slurm job, side by side.

A group's job requests the cores and the memory of all its members, but Snakemake's Slurm plugin starts them
one after another, each as a job step (jobstep executor 0.6). Here the job's own Snakemake process is replaced
by one that runs the same members with the local executor, in a single step with all cores of the job.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

PLUGIN = ["--executor", "slurm-jobstep", "--jobs", "1"]  # what the plugin adds on a job's node


def side_by_side(arguments: Sequence[str], environment: Mapping[str, str]) -> list[str] | None:
    """The command that runs a group's members in parallel; None if this process runs no group of a Slurm job.

    Args:
        arguments: of this Snakemake process.
        environment: of this process, with what Slurm says about the job.
    """
    words = list(arguments)
    if "--local-groupid" not in words or PLUGIN[1] not in words:
        return None
    first = words.index(PLUGIN[0])
    if words[first : first + len(PLUGIN)] != PLUGIN or "--cores" not in words:
        return None  # another version of the plugin; members run one after another
    del words[first : first + len(PLUGIN)]
    cores = environment.get("SLURM_CPUS_PER_TASK") or environment.get("SLURM_CPUS_ON_NODE", "1")
    words[words.index("--cores") + 1] = cores
    step = ["srun", "--ntasks=1", "--nodes=1", f"--cpus-per-task={cores}", "--cpu-bind=quiet"]
    # A member that fails does not keep others from starting.
    return [*step, sys.executable, "-m", "snakemake", *words, "--keep-going"]
