# The configuration, the run table, and the functions that look up jobs' inputs in it.
import os
import re
import shlex
import sys
import time
from pathlib import Path

from fpc.workflow import snakemake_adapter as adapter
from fpc.core import interruption
from fpc.workflow.failures import exit_code, allowed_retries
from fpc.core.errors import UserError
from fpc.core.tables import PI_STAR
from fpc.lineage.artifact import Row, parse_seeds, scale_and_variant
from fpc.workflow.inputs import missing_note
from fpc.workflow.run_table import closing_row, rows
from fpc.workflow.slurm_groups import side_by_side
from snakemake.exceptions import WorkflowError
from snakemake.jobs import GroupJob, Job
from snakemake.settings.types import DeploymentMethod

if group_command := side_by_side(sys.argv[1:], os.environ):
    os.execvp(group_command[0], group_command)

# Snakemake itself waits for its jobs only at SIGINT and SIGTERM.
interruption.pass_on_warnings()

STARTED = time.time()
CONFIGURATION = adapter.prepare(config, sys.argv if workflow.is_main_process else ())
TABLE = rows(CONFIGURATION)
LABEL = CONFIGURATION.label
RESULTS = f"results/{LABEL}"
LOGS = f"results/.logs/{LABEL}"
BENCHMARKS = f"results/.benchmarks/{LABEL}"


def chosen(label):
    """The options that choose a results folder's configuration.

    Unquoted, as every name in a rule's command: fpc.config.names allows nothing that a shell takes apart.
    """
    scale, variant = scale_and_variant(label)
    return f"--scale={scale}" + (f" --variant={variant}" if variant else "")


SCALE = chosen(LABEL)
# A variant shares the runs that it does not change; they lie in the folder of its scale.
LABELS = "|".join(
    re.escape(name) for name in dict.fromkeys([LABEL, CONFIGURATION.scale])
)


def scale_of_run(wildcards):
    """Parameter function of a run: the options that choose its configuration."""
    return chosen(wildcards.label)


if workflow.is_main_process and (note := missing_note(CONFIGURATION)):
    print(f"note: {note}", file=sys.stderr)


# The file explains what it prepares. Snakemake formats the prefix, so braces are doubled.
PYTHON = shlex.quote(sys.executable).replace("{", "{{").replace("}", "}}")
shell.prefix(f"FPC_PYTHON={PYTHON}; . workflow/scripts/job.sh; ")


# Only with --software-deployment-method apptainer.
IMAGE = "workflow/envs/fpc.sif"


container: IMAGE


if (
    DeploymentMethod.APPTAINER in workflow.deployment_settings.deployment_method
    and not Path(IMAGE).exists()
):
    raise WorkflowError(
        f"{IMAGE} is missing; docs/how-to/run-on-a-cluster.md says how to build it (Containers)"
    )


def restart_times(job):
    """How often a failed job may start again (`--retries`): not at all after an error of its own, or Slurm's refusal."""
    if job in REFUSED:
        return 0
    members = job.jobs if job.is_group() else [job]
    codes = [
        exit_code(Path(name), STARTED) for member in members for name in member.log
    ]
    return allowed_retries(max(member.rule.restart_times for member in members), codes)


# Snakemake itself retries whatever the reason, and a job that cannot succeed would queue eleven times.
Job.restart_times = GroupJob.restart_times = property(restart_times)


wildcard_constraints:
    label=LABELS,
    experiment=r"[\w.-]+",
    method=r"\w+",
    seeds=r"seeds?_[\d-]+",
    figure=r"\w+",


def run_inputs(phase):
    """Input function of a run phase."""

    def inputs(wildcards):
        values = dict(wildcards.items())
        row = Row(
            values["label"],
            phase,
            values["experiment"],
            values.get("method"),
            parse_seeds(values["seeds"]),
        )
        return adapter.job_inputs(CONFIGURATION, row)

    return inputs


def requested(phase, name):
    """Resource function of a phase: what its jobs request from a cluster (configs/, `plan`)."""

    def amount(wildcards):
        experiment = wildcards.get("experiment")
        return adapter.job_resources(CONFIGURATION, phase, experiment).get(name)

    return amount


def resources(phase):
    """Resource functions of a phase, by name.

    A Slurm option that no job of the phase has is left out, so that the profile's `default-resources` hold.
    """
    names = adapter.resource_names(CONFIGURATION, phase)
    return {name: requested(phase, name) for name in sorted(names)}


def shared(phase):
    """Group function of a phase: the profile says how many runs of a group share a cluster job.

    pi*'s evaluation is in none: it is a parent of the others, and a group's connected runs are never parted.
    """

    def group(wildcards):
        shares = adapter.is_shared(CONFIGURATION, phase, wildcards.experiment)
        return f"shared_{phase}" if shares and wildcards.method != PI_STAR else None

    return group


def figure_inputs(wildcards):
    """Input function of a figure."""
    return adapter.figure_inputs(CONFIGURATION, wildcards.figure)


def closing_inputs(phase):
    """Inputs of claims or report."""
    return adapter.job_inputs(CONFIGURATION, closing_row(CONFIGURATION, phase))


def check_inputs(jobs):
    """Stop before the first job if an external input of any of these jobs is missing."""
    wanted = [(job.wildcards_dict.get("experiment"), job.rule.name) for job in jobs]
    try:
        adapter.check_inputs(CONFIGURATION, wanted)
    except UserError as error:
        raise WorkflowError(str(error))


def tables_of(experiment):
    """Rows of the probes' tables: of one experiment, or of all (None)."""
    found = [row for row in TABLE if row.phase == "evaluate"]
    return [row for row in found if experiment in (None, row.experiment)]
