"""The run table: which artifacts a configuration asks for, where they are, and what each is made from.

A variant shares the runs of its scale that it does not change: they lie in the scale's own folder.

Snakemake, ``fpc plan``, ``fpc status`` and the audit all use this table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from fpc.claims.claim import TABLES_READ
from fpc.config.experiment import Experiment
from fpc.core.tables import PHASE_OF_TABLE, PI_STAR
from fpc.domains.recording import SHOWN_SEED
from fpc.domains.registry import measures_pi_star
from fpc.figures.catalogue import figure_entry
from fpc.figures.entry import Entry
from fpc.lineage.artifact import RUN_PHASES, Row
from fpc.lineage.manifest import read
from fpc.retention.registry import load_method
from fpc.workflow.configuration import Configuration
from fpc.workflow.films import shown_weights

OF_METHODS = ("finetune", "evaluate")  # phases that are run for each method


def seed_groups(experiment: Experiment) -> list[tuple[int, ...]]:
    """Seeds 0 ... seeds-1 in groups of ``seeds_per_run``."""
    size = experiment.seeds_per_run
    return [
        tuple(range(start, min(start + size, experiment.seeds))) for start in range(0, experiment.seeds, size)
    ]


def pretrain_seeds(experiment: Experiment, seeds: tuple[int, ...]) -> tuple[int, ...]:
    """Seeds of the pi* that a run with ``seeds`` starts from."""
    return seeds if experiment.pretrain_per_seed else (0,)


def run_row(
    configuration: Configuration,
    phase: str,
    experiment: str,
    method: str | None = None,
    seeds: tuple[int, ...] = (),
) -> Row:
    """The row of a run; one that a variant does not change is the scale's own, so it is not made twice."""
    base = configuration.base
    shares = base is not None and _shares(configuration, base, phase, experiment, method, seeds)
    label = base.label if base is not None and shares else configuration.label
    return Row(label, phase, experiment, method, seeds)


def _shares(
    variant: Configuration,
    base: Configuration,
    phase: str,
    experiment: str,
    method: str | None,
    seeds: tuple[int, ...],
) -> bool:
    """Whether the scale itself asks for this very run, made from the same runs."""
    key = (phase, experiment, method)
    if key not in variant.shared:
        variant.shared[key] = is_unchanged(variant, base, phase, experiment, method)
    if not variant.shared[key]:
        return False
    section, own = variant.experiments[experiment], base.experiments[experiment]
    groups = seed_groups(own)
    if phase not in OF_METHODS or method == PI_STAR:
        groups = [pretrain_seeds(own, group) for group in groups]
    return seeds in groups and pretrain_seeds(section, seeds) == pretrain_seeds(own, seeds)


def is_unchanged(
    variant: Configuration, base: Configuration, phase: str, experiment: str, method: str | None
) -> bool:
    """Whether a variant leaves a phase as it is, and the phases before it."""
    if experiment not in used_experiments(base) or method not in (
        None,
        PI_STAR,
        *base.methods_of(experiment),
    ):
        return False
    phases = [
        (earlier, method if earlier in OF_METHODS else None)
        for earlier in RUN_PHASES[: RUN_PHASES.index(phase) + 1]
        if not (method == PI_STAR and earlier == "finetune")
    ]
    return all(
        variant.section(earlier, experiment, of) == base.section(earlier, experiment, of)
        for earlier, of in phases
    )


def used_experiments(configuration: Configuration) -> list[str]:
    """Experiments read by a configured figure, in the configuration's order."""
    patterns = {pattern for name in configuration.figure.names for pattern in figure_entry(name).experiments}
    return matching(configuration, tuple(patterns))


def matching(configuration: Configuration, patterns: tuple[str, ...]) -> list[str]:
    """Experiments that match any of the patterns, in the configuration's order."""
    return [
        name for name in configuration.experiments if any(fnmatchcase(name, pattern) for pattern in patterns)
    ]


def experiment_rows(configuration: Configuration, experiment: str) -> Iterator[Row]:
    """Every run of one experiment: pretrain, collect, finetune, evaluate; pi*'s evaluation comes first."""
    section = configuration.experiments[experiment]
    row = partial(run_row, configuration)
    groups = seed_groups(section)
    for phase in ("pretrain", "collect"):
        for seeds in sorted({pretrain_seeds(section, group) for group in groups}):
            yield row(phase, experiment, seeds=seeds)
    for phase in OF_METHODS:
        if phase == "evaluate" and measures_pi_star(section.domain):
            for seeds in sorted({pretrain_seeds(section, group) for group in groups}):
                yield row(phase, experiment, PI_STAR, seeds)
        for method in configuration.methods_of(experiment):
            for seeds in groups:
                yield row(phase, experiment, method, seeds)


def figure_row(configuration: Configuration, name: str) -> Row:
    """The row of one figure."""
    return Row(configuration.label, "figure", name=name)


def closing_row(configuration: Configuration, phase: str) -> Row:
    """The row of ``claims`` or ``report``."""
    return Row(configuration.label, phase, name=phase)


def rows(configuration: Configuration) -> list[Row]:
    """Every artifact of a configuration, parents before children."""
    table = [row for name in used_experiments(configuration) for row in experiment_rows(configuration, name)]
    table += [figure_row(configuration, name) for name in configuration.figure.names]
    return [*table, closing_row(configuration, "claims"), closing_row(configuration, "report")]


def parents(configuration: Configuration, row: Row) -> list[Row]:
    """The artifacts that ``row`` is made from."""
    if row.phase == "figure":
        assert row.name is not None
        return _read_by(configuration, figure_entry(row.name).experiments, row.name)
    if row.phase == "claims":
        return _read_by(configuration, tuple(used_experiments(configuration)), None)
    if row.phase == "report":
        figures = [figure_row(configuration, name) for name in configuration.figure.names]
        return [closing_row(configuration, "claims"), *figures]
    return _run_parents(configuration, row)


def _run_parents(configuration: Configuration, row: Row) -> list[Row]:
    assert row.experiment is not None
    section = configuration.experiments[row.experiment]
    of = partial(run_row, configuration)
    pretrain = of("pretrain", row.experiment, seeds=pretrain_seeds(section, row.seeds))
    collect = of("collect", row.experiment, seeds=pretrain.seeds)
    if row.phase == "pretrain":
        return []
    if row.phase == "collect":
        return [pretrain]
    assert row.method is not None
    if row.method == PI_STAR:
        return [pretrain, collect]
    if row.phase == "finetune":
        method = load_method(row.method)
        made_from = method.pretrained or method.needs or section.finetune_needs_collect
        return [pretrain, collect] if made_from else []
    found = [of("finetune", row.experiment, row.method, row.seeds), pretrain, collect]
    if load_method(row.method).pretrained and measures_pi_star(section.domain):
        found.append(of("evaluate", row.experiment, PI_STAR, pretrain.seeds))
    return found


def _read_by(configuration: Configuration, experiments: tuple[str, ...], figure: str | None) -> list[Row]:
    """Runs whose tables or weights a figure (or the claims, if None) reads."""
    metadata = None if figure is None else figure_entry(figure)
    tables = TABLES_READ if metadata is None else metadata.tables
    phases = {"evaluate"} | {phase for name, phase in PHASE_OF_TABLE.items() if name in tables}
    if metadata is not None and metadata.recorded:  # from weights and start states
        phases |= {"pretrain", "collect", "finetune"}
    found = []
    for experiment in matching(configuration, experiments):
        for row in experiment_rows(configuration, experiment):
            if row.phase in phases and _is_read(row, metadata):
                found.append(row)
    return found


def _is_read(row: Row, figure: Entry | None) -> bool:
    """Whether a figure, or the claims if None, read a run's tables."""
    if figure is None:
        return True
    if row.method == PI_STAR:
        return figure.pi_star
    return figure.methods is None or row.method in (None, *figure.methods)


def section_of(configuration: Configuration, row: Row) -> dict[str, Any]:
    """The configuration section of a row."""
    if row.phase == "figure":
        return {
            **configuration.section("figure"),
            "name": row.name,
            "unequal_budget": _reasons(configuration, row),
        }
    return configuration.section(row.phase, row.experiment, row.method)


def _reasons(configuration: Configuration, row: Row) -> dict[str, str]:
    """Reasons for unequal budgets in a figure's experiments, shown in its stamp."""
    assert row.name is not None
    names = matching(configuration, figure_entry(row.name).experiments)
    reasons = {name: configuration.experiments[name].unequal_budget for name in names}
    return {name: reason for name, reason in reasons.items() if reason is not None}


class RunTable:
    """The run table of one configuration, with cached answers: lineage's view of the project.

    Args:
        configuration: the configuration of a scale, with its variant.
    """

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self._rows: list[Row] | None = None
        self._parents: dict[Row, list[Row]] = {}
        self._sections: dict[Row, dict[str, Any]] = {}
        self._shown: dict[str, frozenset[str]] = {}  # by label

    @property
    def label(self) -> str:
        """Name of its folder in ``results/``."""
        return self.configuration.label

    def rows(self) -> list[Row]:
        """Every artifact, parents before children."""
        if self._rows is None:
            self._rows = rows(self.configuration)
        return self._rows

    def parents(self, row: Row) -> list[Row]:
        """The artifacts that a row is made from."""
        if row not in self._parents:
            self._parents[row] = parents(self.configuration, row)
        return self._parents[row]

    def section(self, row: Row) -> dict[str, Any]:
        """The configuration section of a row; rows that differ only in their seeds share it."""
        key = replace(row, seeds=())
        if key not in self._sections:
            self._sections[key] = section_of(self.configuration, row)
        return self._sections[key]

    def kept(self, row: Row, sizes: Mapping[str, int]) -> frozenset[str]:
        """Which files DVC keeps of those of a row that git does not hold (name -> bytes).

        These are the files that the section ``record`` keeps, and the milestones that a published film shows.
        """
        shared = self.configuration.base is not None and row.label == self.configuration.base.label
        owner = self.configuration.base if shared else self.configuration
        assert owner is not None
        return owner.record.kept(row, sizes) | self._in_films(owner, row, sizes)

    def _in_films(self, owner: Configuration, row: Row, sizes: Mapping[str, int]) -> frozenset[str]:
        if row.phase != "finetune" or SHOWN_SEED not in row.seeds:
            return frozenset()
        if owner.label not in self._shown:
            self._shown[owner.label] = shown_weights(owner)
        shown = self._shown[owner.label]
        if not shown or not row.manifest.exists():
            return frozenset()
        digests = read(row.manifest).subjects
        return frozenset(name for name in sizes if digests.get(name) in shown)
