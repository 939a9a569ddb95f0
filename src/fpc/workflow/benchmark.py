"""Which runs the benchmark compares: those of a scale, and of variants that bring a method of their own."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fpc.claims.claim import ClaimContext
from fpc.claims.headlines import HEADLINES
from fpc.claims.scores import VANILLA, Benchmark
from fpc.claims.testing import benchmark_of
from fpc.core.errors import ConfigError, unknown
from fpc.core.tables import PI_STAR, join
from fpc.lineage.artifact import RESULTS, Row
from fpc.lineage.digests import Digests
from fpc.lineage.freshness import Freshness
from fpc.lineage.verdict import Verdict
from fpc.reporting.benchmark import Absent, DomainTable, Entrant, Entry, benchmark_table
from fpc.workflow.configuration import Configuration
from fpc.workflow.loader import VARIANTS, load, variants
from fpc.workflow.run_table import OF_METHODS, RunTable, is_unchanged, run_row
from fpc.workflow.speeds import measured_seconds
from fpc.workflow.tables import read_row

if TYPE_CHECKING:
    import pandas as pd

READ = ("episodes", "training")


def benchmark(
    scale: Configuration,
    others: Sequence[Configuration] = (),
    domains: Iterable[str] | None = None,
    against: str | None = None,
) -> list[DomainTable]:
    """The tables of the benchmark, one per domain that declares one, in the order of ``HEADLINES``.

    Args:
        scale: the configuration of a scale. A variant stands for its scale, and is one of ``others``.
        others: variants of the scale; methods that the scale lacks are compared with the scale's own.
        domains: the domains to list; None lists all.
        against: a method, by its name in the tables, that all are compared with instead of the best other;
            domains without it are left out.

    Raises:
        ConfigError: no domain has the method ``against``.
    """
    source = _Source(_scale_first(scale, others))
    wanted = source.domains()
    chosen = wanted if domains is None else [name for name in wanted if name in set(domains)]
    context = _context(scale.base or scale)
    entries = [entry for name in chosen if (entry := source.entry(name)) is not None]
    if against is not None:
        entries = _with(against, entries)
    return [benchmark_table(entry, context, against) for entry in entries]


def compared_domains(scale: Configuration, others: Sequence[Configuration] = ()) -> list[str]:
    """Domains that ``benchmark`` has tables of, in their order."""
    return _Source(_scale_first(scale, others)).domains()


def _scale_first(scale: Configuration, others: Sequence[Configuration]) -> tuple[Configuration, ...]:
    return (scale, *others) if scale.base is None else (scale.base, scale, *others)


def _with(method: str, entries: Sequence[Entry]) -> list[Entry]:
    """Those of the domains that have a method."""
    found = [entry for entry in entries if method in [entrant.name for entrant in entry.entrants]]
    if entries and not found:
        names = sorted({entrant.name for entry in entries for entrant in entry.entrants})
        raise ConfigError(f"--against {method}: {unknown('method of these tables', method, names)}")
    return found


def committed(scale: str, wrong: Callable[[str, ConfigError], None] | None = None) -> list[Configuration]:
    """Variants of a scale that have published results and bring a method to a domain with a benchmark.

    Args:
        scale: the scale.
        wrong: is told the name of a variant whose configuration is wrong, and why; it is then left out.

    Raises:
        ConfigError: a variant's configuration is wrong, and there is no ``wrong``.
    """
    found = []
    for name in published(scale):
        try:
            found.append(load(scale, name))
        except ConfigError as error:
            if wrong is None:
                raise
            wrong(name, error)
    return [variant for variant in found if _brings(variant)]


def published(scale: str) -> list[str]:
    """Names of the variants of a scale that have results.

    In a git repository only variants that it tracks count: a trial of one's own does not change the pages.
    """
    tracked = _tracked()
    return [
        name
        for name in variants()
        if (RESULTS / f"{scale}+{name}").is_dir() and (tracked is None or name in tracked)
    ]


def _tracked() -> set[str] | None:
    """Names of the variants that git tracks; None outside a repository, or without git."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "--", str(VARIANTS)], capture_output=True, text=True, check=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return {Path(line).stem for line in listed.stdout.splitlines()}


def _brings(variant: Configuration) -> bool:
    base = variant.base
    assert base is not None
    found = [benchmark_of(domain) for domain in variant.domains]
    compared = {one.experiment for one in found if one is not None}
    return any(_new_methods(base, variant, name) for name in compared.intersection(variant.experiments))


def _new_methods(base: Configuration, variant: Configuration, experiment: str) -> list[str]:
    """Methods of an experiment that only the variant has."""
    known = base.methods_of(experiment) if experiment in base.experiments else ()
    return [method for method in variant.methods_of(experiment) if method not in known]


def _ordered(domains: set[str]) -> list[str]:
    first = [headline.domain for headline in HEADLINES if headline.domain in domains]
    return [*first, *sorted(domains.difference(first))]


def _context(scale: Configuration) -> ClaimContext:
    section = scale.claims
    return ClaimContext(scale.label, section.level, section.resamples, section.seed, section.minimum_seeds)


class _Source:
    """The runs of several configurations, the scale's own first."""

    def __init__(self, configurations: Sequence[Configuration]) -> None:
        self._configurations = configurations
        self._run_tables = [RunTable(configuration) for configuration in configurations]
        self._fresh = Freshness({table.label: table for table in self._run_tables}, Digests())

    def experiments(self) -> Iterator[tuple[str, Benchmark]]:
        """Domain and benchmark of each experiment that is compared."""
        for table in self._run_tables:
            used = {row.experiment for row in table.rows()}
            for domain in sorted(table.configuration.domains):
                found = benchmark_of(domain)
                if found is not None and found.experiment in used:
                    yield domain, found

    def domains(self) -> list[str]:
        """Domains that are compared, in the order of ``HEADLINES``."""
        return _ordered({name for name, _ in self.experiments()})

    def entry(self, domain: str) -> Entry | None:
        """The entrants of a domain; None if it has no benchmark."""
        benchmark = dict(self.experiments()).get(domain)
        if benchmark is None:
            return None
        experiment, notes = benchmark.experiment, []
        (owner, own), *others = self._with_rows(experiment)
        found = [self._entrant(owner, own, method, None) for method in owner.methods_of(experiment)]
        for configuration, rows in others:
            methods = _new_methods(owner, configuration, experiment)
            if methods and not is_unchanged(configuration, owner, "evaluate", experiment, VANILLA):
                notes.append(_left_out(configuration, methods))
                continue
            found += [self._entrant(configuration, rows, method, configuration.variant) for method in methods]
        tables = [*self._own_measurements(owner, own), *(table for _, several in found for table in several)]
        return Entry(domain, benchmark, join(tables), tuple(entrant for entrant, _ in found), tuple(notes))

    def _with_rows(self, experiment: str) -> list[tuple[Configuration, list[Row]]]:
        """The configurations that use an experiment, with its rows."""
        found = [
            (table.configuration, [row for row in table.rows() if row.experiment == experiment])
            for table in self._run_tables
        ]
        return [(configuration, rows) for configuration, rows in found if rows]

    def _own_measurements(
        self, configuration: Configuration, rows: Sequence[Row]
    ) -> list[dict[str, pd.DataFrame]]:
        """pi*'s own measurements."""
        chosen = [row for row in rows if row.phase == "evaluate" and row.method == PI_STAR]
        return [read_row(configuration, row, READ) for row in chosen if self._fresh.of(row).is_current]

    def _entrant(
        self, configuration: Configuration, rows: Sequence[Row], method: str, variant: str | None
    ) -> tuple[Entrant, list[dict[str, pd.DataFrame]]]:
        """A method with its current tables; runs that are not current are listed."""
        groups = [row.seeds for row in rows if row.phase == "finetune" and row.method == method]
        entrant = Entrant(method, variant, sum(map(len, groups)))
        tables, seconds, absent = [], [], []
        for seeds in groups:
            assert rows[0].experiment is not None
            pair = [run_row(configuration, phase, rows[0].experiment, method, seeds) for phase in OF_METHODS]
            findings = [self._fresh.of(row) for row in pair]
            wrong = next((finding for finding in findings if not finding.is_current), None)
            if wrong is not None:
                reason = "" if wrong.verdict == Verdict.MISSING else next(iter(wrong.reasons), "")
                absent.append(Absent(len(seeds), str(wrong.verdict), reason))
                continue
            seconds += measured_seconds(pair[:1])
            for row in pair:
                found = read_row(configuration, row, READ)
                tables.append({name: table.assign(method=entrant.name) for name, table in found.items()})
        return replace(entrant, seconds=tuple(seconds), absent=tuple(absent)), tables


def _left_out(variant: Configuration, methods: Sequence[str]) -> str:
    return (
        f"{', '.join(methods)} of variant {variant.variant} is left out: the variant changes more than its "
        "methods, so that its runs cannot be compared with the scale's."
    )
