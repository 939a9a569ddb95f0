"""What jobs request from a cluster: the types of `plan.job`, `plan.jobs` and `plan.slurm`."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from fpc.config.base import NonNegativeInt, PositiveInt, Section

Word = Annotated[str, Field(min_length=1)]
SLURM_OPTIONS = ("partition", "account", "qos", "constraint", "gpu_model")
# Snakemake's name of a resource, as its Slurm plugin understands it -> ours.
RESOURCES = {
    "runtime": "runtime",
    "mem_mb": "mem_mb",
    "cpus_per_task": "cpus",
    "gpu": "gpus",
    "slurm_partition": "partition",
    "slurm_account": "account",
    "qos": "qos",
    "constraint": "constraint",
    "gpu_model": "gpu_model",
}


class SlurmOptions(Section):
    """Which nodes jobs without GPUs run on, and for whom; null: the cluster's default."""

    partition: Word | None = Field(default=None, description="Partition (`sinfo -s` lists them).")
    account: Word | None = Field(default=None, description="Account that the jobs are charged to.")
    qos: Word | None = Field(default=None, description="Quality of service.")
    constraint: Word | None = Field(
        default=None, description="Features that a node must have, in Slurm's words: `icelake&ib`."
    )


class GPUOptions(SlurmOptions):
    """The same for jobs with GPUs."""

    gpu_model: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.]+$")] | None = Field(
        default=None,
        description="Type of the GPUs, as `sinfo -o %G` names it (`gpu:a100:4`: `a100`); for a name with "
        "other characters than letters, digits, `_` and `.` use `constraint`.",
    )


class SlurmSection(Section):
    """Slurm options of all jobs without and with GPUs, so that CPU jobs do not wait for GPU nodes."""

    cpu: SlurmOptions = Field(default_factory=SlurmOptions, description="Of jobs without GPUs.")
    gpu: GPUOptions = Field(default_factory=GPUOptions, description="Of jobs with GPUs.")


class JobResources(GPUOptions):
    """What a job requests from a cluster; Slurm options that it leaves null are those of `plan.slurm`."""

    runtime: PositiveInt = Field(description="Minutes; a run that needs longer continues in its next job.")
    mem_mb: PositiveInt = Field(description="Memory in MB.")
    cpus: PositiveInt = Field(description="Cores; a run's processes are as many (FPC_PROCESSES).")
    gpus: NonNegativeInt = Field(
        description="GPUs; above 0 networks run on one, at 0 on CPUs, whatever the machine has."
    )

    shared: bool = Field(
        default=False,
        description="Whether several such runs share a cluster job, side by side, as many as the profile's "
        "`group-components` says (`finetune` and `evaluate` only); with one core, no GPU and the Slurm "
        "options of `plan.slurm.cpu`.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.gpu_model is not None and not self.gpus:
            raise ValueError("gpu_model is set, but gpus is 0; request GPUs, or remove gpu_model")
        own = [name for name in SLURM_OPTIONS if getattr(self, name) is not None]
        if self.shared and (self.cpus > 1 or self.gpus or own):
            raise ValueError(
                "shared is true, but runs share a job only if cpus is 1, gpus is 0 and there are no Slurm "
                f"options of their own ({', '.join(own) or 'none here'})"
            )
        return self

    def completed(self, slurm: SlurmSection) -> JobResources:
        """The same request, its missing Slurm options filled in."""
        defaults = slurm.gpu if self.gpus else slurm.cpu
        missing = {
            name: value
            for name, value in defaults.model_dump().items()
            if getattr(self, name) is None and value is not None
        }
        return self.model_copy(update=missing)
