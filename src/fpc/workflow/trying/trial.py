"""A trial of one method: checked on students, written as a variant, planned, run by Snakemake."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fpc.core.errors import ConfigError
from fpc.domains.registry import load_domain
from fpc.lineage.artifact import Row
from fpc.lineage.dvc_lock import weights_record
from fpc.lineage.freshness import freshness
from fpc.retention.interface import MethodOptions, RetentionMethod
from fpc.workflow.configuration import Configuration
from fpc.workflow.loader import load
from fpc.workflow.run import RunError
from fpc.workflow.run_table import RunTable
from fpc.workflow.speeds import measured_seconds
from fpc.workflow.trying import copies
from fpc.workflow.trying import variant as variants
from fpc.workflow.trying.method_file import check_text, method_of, options_by_domain, used


@dataclass(frozen=True)
class Asked:
    """What a person asked for."""

    path: Path
    options: Sequence[str]  # name=value, or domain:name=value
    domains: Sequence[str]
    scale: str
    seeds: int | None
    name: str | None  # of the variant; None: the method's

    @property
    def variant(self) -> str:
        """Name of the variant."""
        return self.name or self.path.stem


@dataclass(frozen=True)
class Trial:
    """A trial that can be run."""

    method: str
    configuration: Configuration
    experiments: Mapping[str, str]  # domain -> experiment
    refused: Mapping[str, str]  # domain -> why the method cannot be tried there
    checked: Sequence[str]  # kinds of students
    idle: Sequence[str]  # domains where its term had no gradient wherever it was checked
    replaces: bool  # options of an earlier trial, whose results are then no longer current
    own_seeds: Sequence[str] = ()  # domains where the number of seeds that was asked for is not used


@contextmanager
def planned(asked: Asked) -> Iterator[Trial]:
    """A trial within the block, of which nothing stays.

    Raises:
        ConfigError: as ``prepare`` does, or another trial of the variant is at work.
    """
    file = copies.method_in_project(asked.path)
    with (
        copies.held(asked.variant),
        copies.copy_held(file),
        copies.put_back(asked.variant, asked.path, file),
    ):
        yield prepare(asked)


@contextmanager
def begun(asked: Asked) -> Iterator[Trial]:
    """A trial that no other one of the same variant disturbs within the block.

    Raises:
        ConfigError: as ``prepare`` does, or another trial of the variant is at work.
    """
    with copies.held(asked.variant):
        with copies.copy_held(copies.method_in_project(asked.path)):
            trial = prepare(asked)
        yield trial


def prepare(asked: Asked) -> Trial:
    """Check a method and write its variant; nothing is written if anything is wrong.

    Raises:
        ConfigError: the file, the method or an option is wrong; the text says where, and how to fix it.
    """
    tree = check_text(asked.path)
    base = load(asked.scale)
    file = copies.method_in_project(asked.path)
    variant = asked.variant
    variants.check_free(variant, asked.path, file)
    with copies.copied(asked.path, file):
        method = method_of(file, used(file), tree)
        found = variants.domains_of(base, method, asked.domains)
        texts = {domain: _texts(asked.options, domain, found) for domain in found.served}
        options = options_by_domain(method, texts)
        kinds, refused, idle = _checked(method, options, found, base)
        if not kinds or refused.keys() & set(asked.domains):
            reasons = "; ".join(f"{domain}: {reason}" for domain, reason in refused.items())
            raise ConfigError(f"{asked.path}: cannot be tried: {reasons}")
        served = {domain: key for domain, key in found.served.items() if domain not in refused}
        chosen = {domain: options[domain] for domain in served}
        overlay = variants.overlay_of(base, file, served, chosen, asked.seeds)
        before = variants.options_of(variant, file.stem)
        after = overlay["methods"][file.stem]
        replaces = any(before[domain] != after[domain] for domain in before.keys() & after.keys())
        configuration = variants.write(asked.scale, variant, overlay)
    kept = variants.with_own_seeds(base, served, asked.seeds)
    return Trial(file.stem, configuration, served, refused, kinds, idle, replaces, kept)


def _texts(given: Sequence[str], domain: str, found: variants.Domains) -> dict[str, str]:
    """The options meant for a domain: name -> text; those for it alone win.

    Raises:
        ConfigError: an option is not written as name=value, names an unknown domain or is given twice.
    """
    common: dict[str, str] = {}
    own: dict[str, str] = {}
    for text in given:
        key, equals, value = text.partition("=")
        of, colon, name = key.rpartition(":")
        if not equals or not name or not value:
            raise ConfigError(f"--option {text}: write name=value, or domain:name=value")
        if colon and of not in {*found.served, *found.refused}:
            listed = ", ".join([*found.served, *found.refused])
            raise ConfigError(f"--option {text}: '{of}' is no domain that is tried; they are: {listed}")
        if of in ("", domain):
            target = own if colon else common
            if target.setdefault(name, value) != value:
                raise ConfigError(f"--option {text}: {key} is given twice; give it once")
    return common | own


def _checked(
    method: type[RetentionMethod],
    options: Mapping[str, MethodOptions],
    found: variants.Domains,
    base: Configuration,
) -> tuple[list[str], dict[str, str], list[str]]:
    """Check the method on a student of every domain.

    Returns:
        The kinds of students; why the method is not tried in a domain, for all of these; and the domains
        where its term had no gradient.
    """
    from fpc.workflow.trying.contract import Refused, acts, check
    from fpc.workflow.trying.students import OF_DOMAIN, OF_LEARNER

    kinds: dict[str, None] = {}
    refused, idle = dict(found.refused), []
    for domain, experiment in found.served.items():
        learner = load_domain(base.experiments[experiment].domain).learner.name
        kind = OF_DOMAIN.get(domain) or OF_LEARNER.get(learner, "one run")
        try:
            check(method, options[domain], kind)
        except Refused as error:
            refused[domain] = f"the method refuses its policy: {error}"
        else:
            kinds[kind] = None
            idle += [] if acts(method, options[domain], kind) else [domain]
    return list(kinds), refused, idle


@dataclass(frozen=True)
class Part:
    """The runs of a trial in one domain."""

    domain: str
    runs: int  # of the method
    to_make: int
    shared: int  # runs of the scale that are used as they are
    missing: int  # runs of the scale that must be made first
    minutes: float | None  # of what is to be made; None if no such run was made before
    absent: tuple[Row, ...]  # pi* and expert data whose files are not here


def parts(trial: Trial) -> list[Part]:
    """What will run, by domain."""
    table = RunTable(trial.configuration)
    fresh = freshness(table)
    found = []
    for domain, experiment in trial.experiments.items():
        rows = [row for row in table.rows() if row.experiment == experiment]
        own = [row for row in rows if row.label == table.label]
        others = [row for row in rows if row.label != table.label]
        waiting = [row for row in own if not fresh.of(row).is_current]
        lacking = [row for row in others if not fresh.of(row).is_current]
        seconds = [_expected([*lacking, *waiting], phase, others) for phase in ("finetune", "evaluate")]
        known = [value for value in seconds if value is not None]
        minutes = sum(known) / 60 if len(known) == len(seconds) else None
        runs = [row for row in own if row.phase == "finetune" and row.method == trial.method]
        read = [row for row in others if row.phase in ("pretrain", "collect")] if waiting else []
        absent = tuple(row for row in read if fresh.lacks(row, "finetune"))  # nor does `evaluate` read more
        shared = len(others) - len(lacking)
        found.append(Part(domain, len(runs), len(waiting), shared, len(lacking), minutes, absent))
    return found


def _expected(waiting: Sequence[Row], phase: str, others: Sequence[Row]) -> float | None:
    """Seconds that the waiting runs of a phase take: as long as those of other methods did."""
    number = sum(row.phase == phase for row in waiting)
    made = measured_seconds([row for row in others if row.phase == phase])
    if not number:
        return 0.0
    return number * sum(made) / len(made) if made else None


def plan_text(trial: Trial, found: Sequence[Part]) -> str:
    """The plan that is shown before the runs begin."""
    kinds = ", ".join(trial.checked)
    lines = [f"{trial.method}: keeps every promise of a retention method (students: {kinds})"]
    lines.append(f"{'domain':<20} {'runs':>5} {'jobs':>5} {'shared':>7} {'to make':>8} {'minutes':>8}")
    for part in found:
        minutes = "unknown" if part.minutes is None else f"{math.ceil(part.minutes)}"
        counts = f"{part.runs:>5} {part.to_make:>5} {part.shared:>7} {part.missing:>8}"
        lines.append(f"{part.domain:<20} {counts} {minutes:>8}")
    lines += [f"not in {domain}: {reason}" for domain, reason in trial.refused.items()]
    if any(part.missing for part in found):
        lines.append(
            "to make: runs of the scale itself that are missing or not current, and are made first; --domain "
            "and --seeds choose fewer"
        )
    if absent := _absent(found):
        lines.append(f"weights and data of {absent[0]} are not here: {absent[1]}")
    lines.append(
        "jobs: fine-tuning and evaluation; figures, claims and report follow. minutes: of these jobs on one "
        "core, if runs take as long as those of the other methods did"
    )
    if trial.own_seeds:
        lines.append(
            f"--seeds is not used for {', '.join(trial.own_seeds)}: it would split runs that train several "
            "seeds, and make them again for all methods"
        )
    if trial.idle:
        lines.append(
            f"the term of {trial.method} has no gradient at any student or update that was tried, as "
            f"configured for {', '.join(trial.idle)}: it may change nothing there"
        )
    if trial.replaces:
        path = copies.path_of(str(trial.configuration.variant))
        lines.append(
            f"{path} had other options; what was made with them is no longer current (--name keeps both)"
        )
    return "\n".join(lines)


def check_present(found: Sequence[Part]) -> None:
    """Check that the weights and data which the runs read are here.

    Raises:
        RunError: they are not; the text says how to fetch them.
    """
    if absent := _absent(found):
        raise RunError(f"weights and data of {absent[0]} are not here; {absent[1]}, then repeat this command")


def _absent(found: Sequence[Part]) -> tuple[str, str] | None:
    """Folders whose weights or data have to be fetched, and the command that fetches them."""
    rows = [row for part in found for row in part.absent]
    if not rows:
        return None
    records = " ".join(str(weights_record(row.label, str(row.experiment), row.phase)) for row in rows)
    return ", ".join(str(row.folder) for row in rows), f"fetch them with `dvc pull {records}`"


def run(trial: Trial, cores: int) -> int:
    """Run Snakemake for the variant; its exit code."""
    configuration = trial.configuration
    chosen = [f"scale={configuration.scale}", f"variant={configuration.variant}"]
    words = [sys.executable, "-m", "snakemake", "--cores", str(cores), "--quiet", "rules"]
    return subprocess.run([*words, "--config", *chosen], check=False).returncode
