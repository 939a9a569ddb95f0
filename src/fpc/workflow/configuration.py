"""The whole configuration of one scale, validated and frozen."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from fpc.config.base import NonNegativeInt, PositiveFloat, PositiveInt, Section
from fpc.config.experiment import Experiment
from fpc.core.device import Device
from fpc.core.files import digest_of
from fpc.core.tables import PI_STAR
from fpc.lineage.artifact import Row, label_of
from fpc.retention.interface import MethodOptions
from fpc.retention.registry import load_method
from fpc.workflow.job_resources import SLURM_OPTIONS, JobResources, SlurmSection

MILESTONE = re.compile(r"milestones/step_([0-9]+)\.safetensors")
MB = 1_000_000


class FigureSection(Section):
    """Which figures are drawn, and how."""

    names: tuple[str, ...] = Field(
        description="Names of the figures to draw, from src/fpc/figures/catalogue/."
    )
    interval: Literal["paper", "iqm"] = Field(
        description="`paper`: mean with 90 % interval, as the paper draws; `iqm`: IQM with 95 % interval."
    )
    resamples: PositiveInt = Field(description="Bootstrap resamples.")
    seed: NonNegativeInt = Field(description="Seed of the bootstrap.")


class ClaimsSection(Section):
    """How claims are tested."""

    level: float = Field(gt=0, lt=1, description="Confidence level of the bootstrap intervals.")
    resamples: PositiveInt = Field(description="Bootstrap resamples.")
    seed: NonNegativeInt = Field(description="Seed of the bootstrap.")
    minimum_seeds: PositiveInt = Field(
        description="A claim with fewer seeds per method is not testable at this scale."
    )


class ReportSection(Section):
    """The self-contained page that shows everything."""

    title: str = Field(description="Title of the page.")


class RecordSection(Section):
    """Which weights, recordings and expert data `fpc record` lists for DVC; the others are not kept.

    Besides these, milestones that a published film shows are kept.
    Of a file that is not kept, git still has the manifest with its digest, and a clone lacks it by design.
    """

    milestones: Literal["all", "last"] = Field(
        description="Of a fine-tuned run: every milestone, or only the last."
    )
    seeds: Literal["all"] | tuple[NonNegativeInt, ...] = Field(
        description="Fine-tuned runs of which anything is kept: those with one of these seeds, or `all`."
    )
    max_file_mb: PositiveInt | None = Field(
        description="No larger file or folder is kept, of whatever phase (milestones count one by one); in "
        "MB (1,000,000 bytes). `null`: no limit."
    )
    without: tuple[str, ...] = Field(default=(), description="Experiments of which nothing is kept.")

    @field_validator("seeds", mode="before")
    @classmethod
    def _seeds_are_listed(cls, value: Any) -> Any:
        seeds = value if isinstance(value, list | tuple) else []
        if value != "all" and not (seeds and all(type(seed) is int and seed >= 0 for seed in seeds)):
            raise ValueError("must be `all`, or a list of seeds such as [0]")
        return value

    def kept(self, row: Row, sizes: Mapping[str, int]) -> frozenset[str]:
        """Which of a run's files are kept.

        Args:
            row: the run.
            sizes: bytes of each of its files that git does not hold, by name in the run's folder.
        """
        if row.experiment in self.without:
            return frozenset()
        limit = None if self.max_file_mb is None else self.max_file_mb * MB
        outputs = {name: name if MILESTONE.fullmatch(name) else name.partition("/")[0] for name in sizes}
        totals: Counter[str] = Counter()
        for name, size in sizes.items():
            totals[outputs[name]] += size
        names = {name for name in sizes if limit is None or totals[outputs[name]] <= limit}
        if row.phase != "finetune":
            return frozenset(names)
        if self.seeds != "all" and not set(self.seeds) & set(row.seeds):
            return frozenset()
        steps = {name: int(found[1]) for name in sizes if (found := MILESTONE.fullmatch(name))}
        if self.milestones == "last":
            names -= {name for name, step in steps.items() if step < max(steps.values())}
        return frozenset(names)


class PlanSection(Section):
    """Speeds that `fpc plan` assumes until some are measured, and what jobs request from a cluster."""

    steps_per_second: dict[str, dict[str, PositiveFloat]] = Field(
        description="Domain -> phase -> environment steps per second of one process."
    )
    speed_sources: dict[str, str] = Field(
        default={},
        description="Domain -> the hardware and networks that its speeds were measured with.",
    )
    processes: PositiveInt = Field(description="Number of runs in parallel.")
    job: JobResources = Field(description="What a job requests from a cluster.")
    jobs: dict[str, dict[str, JobResources]] = Field(
        description="Domain -> phase -> what its jobs request instead."
    )
    slurm: SlurmSection = Field(
        default_factory=SlurmSection, description="Slurm options of jobs that have none of their own."
    )

    def resources(self, domain: str | None, phase: str) -> JobResources:
        """What a job of a phase requests, with the Slurm options of `slurm` where it has none."""
        return self.jobs.get(domain or "", {}).get(phase, self.job).completed(self.slurm)

    def key_of(self, domain: str | None, phase: str, name: str) -> str:
        """The configuration's key that gives what a job of a phase requests, or would give it if set.

        Args:
            domain: domain of the job; None if it belongs to none.
            phase: the phase.
            name: a field of :class:`JobResources`.
        """
        own = self.jobs.get(domain or "", {}).get(phase)
        request = own or self.job
        if name in SLURM_OPTIONS and getattr(request, name) is None:
            return f"plan.slurm.{'gpu' if request.gpus else 'cpu'}.{name}"
        return f"plan.jobs.{domain}.{phase}.{name}" if own else f"plan.job.{name}"

    def device(self, domain: str | None, phase: str) -> Device:
        """Where a phase's networks run, wherever it runs: on a GPU if its job requests one."""
        return "cuda" if self.resources(domain, phase).gpus else "cpu"


class Root(Section):
    """The keys of a configuration file; experiments and methods are validated by their own types."""

    scale: str = Field(description="Name of the scale; equal to the file's name.")
    domains: tuple[str, ...] | None = Field(
        default=None, description="Only experiments of these domains are part of the scale; null: of all."
    )
    extensions: tuple[str, ...] = Field(
        default=(),
        description="Methods' files and domains' folders outside the package, used as if part of it; "
        "paths from the root of the checkout.",
    )
    experiments: dict[str, dict[str, Any]] = Field(
        description="Experiments by name; `extends` names another experiment to inherit values from."
    )
    methods: dict[str, dict[str, dict[str, Any]]] = Field(
        description="Method -> domain -> options; a method runs in the domains listed for it."
    )
    figure: FigureSection = Field(description="Figures.")
    claims: ClaimsSection = Field(description="Claims.")
    report: ReportSection = Field(description="Report.")
    plan: PlanSection = Field(description="Expected speeds.")
    record: RecordSection = Field(description="What DVC keeps.")


@dataclass(frozen=True)
class Configuration:
    """A validated configuration; ``label`` names its results folder."""

    scale: str
    variant: str | None
    experiments: Mapping[str, Experiment]
    methods: Mapping[str, Mapping[str, MethodOptions]]
    figure: FigureSection
    claims: ClaimsSection
    report: ReportSection
    plan: PlanSection
    record: RecordSection
    extensions: tuple[str, ...] = ()  # files and folders outside the package that it lists
    base: Configuration | None = None  # of a variant: the scale's own, whose runs it shares
    # Phase, experiment, method -> whether the base's runs are this variant's; filled by the run table.
    shared: dict[tuple[str, str, str | None], bool] = field(default_factory=dict, compare=False, repr=False)

    @property
    def label(self) -> str:
        """Folder name under ``results/``: the scale, and the variant if there is one."""
        return label_of(self.scale, self.variant)

    def methods_of(self, experiment: str) -> tuple[str, ...]:
        """Names of the methods that run in an experiment, in the configuration's order."""
        section = self.experiments[experiment]
        possible = tuple(name for name, domains in self.methods.items() if section.domain in domains)
        if section.methods is None:
            return possible
        return tuple(name for name in possible if name in section.methods)

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains of the experiments, in their order."""
        return tuple(dict.fromkeys(section.domain for section in self.experiments.values()))

    def options(self, experiment: str, method: str) -> MethodOptions:
        """Options of a method in an experiment: those of its domain, overridden by the experiment's own."""
        section = self.experiments[experiment]
        options = self.methods[method][section.domain]
        own = (section.method_options or {}).get(method)
        return options if own is None else type(options).model_validate(options.model_dump() | own)

    def experiment_of(self, experiment: str, method: str) -> Experiment:
        """The experiment as a method runs it: with the changes to ``finetune`` that the method asks for.

        A method may define the class method ``finetune_changes(options, domain, finetune)``. It is given the
        section's values and returns those that differ, nested as in the configuration.
        """
        section = self.experiments[experiment]
        changes = getattr(load_method(method), "finetune_changes", None)
        if changes is None:
            return section
        values = section.model_dump()
        asked = changes(self.options(experiment, method), section.domain, values["finetune"])
        return type(section).model_validate(values | {"finetune": _merged(values["finetune"], asked)})

    def section(self, phase: str, experiment: str | None = None, method: str | None = None) -> dict[str, Any]:
        """The part of the configuration that determines what a phase makes, as JSON values."""
        if experiment is None:
            part: Section = getattr(self, phase)
            kept = part.model_dump(mode="json")
            kept.pop("names", None)
            return {"scale": self.label, phase: kept}
        section = self.experiments[experiment]
        if phase == "finetune" and method is not None:
            section = self.experiment_of(experiment, method)
        dumped = section.model_dump(mode="json")
        kept = {"domain": section.domain, phase: dumped[phase]}
        kept |= {name: dumped[name] for name in ("environment", "network") if name in dumped}
        if method is not None:
            kept["method"] = method
            kept |= self._source_of(method)
        if method is not None and method != PI_STAR:
            kept["options"] = self.options(experiment, method).model_dump(mode="json")
        return kept

    def _source_of(self, method: str) -> dict[str, str]:
        """Digest of a method that this configuration or its base lists as an extension.

        A changed file is another method. (Extensions that other configurations list are importable as well.)
        """
        listed = [*self.extensions, *(() if self.base is None else self.base.extensions)]
        path = next((Path(text) for text in listed if Path(text).name == f"{method}.py"), None)
        return {} if path is None else {"source": _digest_of_source(path)}

    def section_digest(self, phase: str, experiment: str | None = None, method: str | None = None) -> str:
        """sha256 of ``section``."""
        return digest_of(self.section(phase, experiment, method))


def _merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Values with changes, key by key."""
    merged = dict(values)
    for key, value in changes.items():
        inner = merged.get(key)
        if isinstance(inner, Mapping) and isinstance(value, Mapping):
            value = _merged(inner, value)
        merged[key] = value
    return merged


def _digest_of_source(path: Path) -> str:
    """Digest of a Python file's content without its comments and docstrings."""
    tree = ast.parse(path.read_bytes())
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and ast.get_docstring(node) is not None
        ):
            node.body = node.body[1:]
    return digest_of(ast.dump(tree))
