"""The command that a Slurm job of several runs continues with; ``tests/slurm`` runs it."""

from __future__ import annotations

import sys

from fpc.workflow.slurm_groups import side_by_side

TARGETS = ["--target-jobs", "a:seeds=seed_0", "a:seeds=seed_1"]
GROUP = [*TARGETS, "--local-groupid", "1f", "--cores", "all", "--force"]
PLUGIN = ["--executor", "slurm-jobstep", "--jobs", "1", "--mode", "remote"]


def test_members_of_a_group_get_the_cores_of_the_job() -> None:
    found = side_by_side([*GROUP, *PLUGIN], {"SLURM_CPUS_PER_TASK": "8", "SLURM_CPUS_ON_NODE": "64"})
    assert found is not None
    assert found[0] == "srun"
    assert "--cpus-per-task=8" in found
    start = found.index(sys.executable)
    expected = (
        "--target-jobs a:seeds=seed_0 a:seeds=seed_1 --local-groupid 1f --cores 8 --force --mode remote"
    )
    assert found[start + 1 :] == ["-m", "snakemake", *expected.split(), "--keep-going"]
    assert side_by_side(found[start + 3 :], {"SLURM_CPUS_PER_TASK": "8"}) is None, "only once"


def test_a_single_run_and_a_driver_stay_as_they_are() -> None:
    assert side_by_side(["--profile", "slurm"], {}) is None
    single = [word for word in GROUP if word not in ("--local-groupid", "1f")]
    assert side_by_side([*single, *PLUGIN], {"SLURM_CPUS_PER_TASK": "8"}) is None
