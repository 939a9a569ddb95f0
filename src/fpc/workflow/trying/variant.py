"""The variant of a scale that tries one method: the method's runs alone, beside those of all others."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from fpc.config.experiment import Experiment
from fpc.core.errors import ConfigError, unknown
from fpc.domains.registry import load_domain
from fpc.figures.catalogue import figure_entry
from fpc.retention.interface import MethodOptions, RetentionMethod
from fpc.workflow.configuration import Configuration
from fpc.workflow.loader import VARIANTS, load
from fpc.workflow.restoring import content_of, put, restored_after_error
from fpc.workflow.run_table import seed_groups, used_experiments
from fpc.workflow.trying.copies import path_of
from fpc.workflow.yaml_files import read_mapping

MARK = (
    "# yaml-language-server: $schema=../schema.json\n"
    "# Written by `fpc try`; running the same command again replaces it."
)


@dataclass(frozen=True)
class Domains:
    """Where a method can be tried: experiments by domain, and domains that it cannot serve, with reasons."""

    served: Mapping[str, str]
    refused: Mapping[str, str]


def domains_of(base: Configuration, method: type[RetentionMethod], wanted: Sequence[str]) -> Domains:
    """The experiment of each domain in which a method can be tried.

    A domain's experiment is the one that runs the most methods.

    Args:
        base: configuration of the scale.
        method: the method.
        wanted: domains to try it in; none: all.

    Raises:
        ConfigError: a wanted domain is unknown or cannot be served.
    """
    experiments: dict[str, str] = {}
    for name in used_experiments(base):
        domain = base.experiments[name].domain
        if domain not in experiments or _count(base, name) > _count(base, experiments[domain]):
            experiments[domain] = name
    for domain in wanted:
        if domain not in experiments:
            raise ConfigError(f"--domain {domain}: {unknown('domain', domain, experiments)}")
    reasons = {domain: _reason(base, name, method) for domain, name in experiments.items()}
    for domain in wanted:
        if reason := reasons[domain]:
            raise ConfigError(f"--domain {domain}: {reason}")
    served = {domain: name for domain, name in experiments.items() if reasons[domain] is None}
    refused = {domain: reason for domain, reason in reasons.items() if reason is not None}
    if wanted:
        return Domains({domain: served[domain] for domain in wanted}, {})
    if not served:
        raise ConfigError(
            "no domain can be served: " + "; ".join(f"{key}: {text}" for key, text in refused.items())
        )
    return Domains(served, refused)


def _count(base: Configuration, experiment: str) -> int:
    return len(base.methods_of(experiment))


def _reason(base: Configuration, experiment: str, method: type[RetentionMethod]) -> str | None:
    """Why a method cannot be tried in an experiment; None if it can."""
    if _count(base, experiment) < 2:
        return "it compares no methods"
    learner = load_domain(base.experiments[experiment].domain).learner
    lacking = method.needs - learner.provides
    return f"its learner, {learner.name}, does not have {', '.join(sorted(lacking))}" if lacking else None


def with_own_seeds(base: Configuration, experiments: Mapping[str, str], seeds: int | None) -> list[str]:
    """Domains whose number of seeds stays: the one asked for would split a run that trains several.

    All methods' runs would then be made again.

    Args:
        base: configuration of the scale.
        experiments: domain -> experiment.
        seeds: the number that is asked for; None: none.
    """
    if seeds is None:
        return []
    return [domain for domain, name in experiments.items() if _splits(base.experiments[name], seeds)]


def _splits(experiment: Experiment, seeds: int) -> bool:
    """Whether, with so many seeds, a run would have some seeds of one that there is, but not all."""
    made = seed_groups(experiment)
    asked = seed_groups(experiment.model_copy(update={"seeds": seeds}))
    return any(group not in made and group[0] < experiment.seeds for group in asked)


def overlay_of(
    base: Configuration,
    file: Path,
    experiments: Mapping[str, str],
    options: Mapping[str, MethodOptions],
    seeds: int | None,
) -> dict[str, Any]:
    """Content of the variant's file.

    Args:
        base: configuration of the scale.
        file: the method's file, relative to the project's root.
        experiments: domain -> experiment.
        options: domain -> the method's options there.
        seeds: number of seeds, if not the experiment's own; not used ``with_own_seeds``.
    """
    name = file.stem
    changed: dict[str, Any] = {}
    unchanged = with_own_seeds(base, experiments, seeds)
    for domain, experiment in experiments.items():
        own: dict[str, Any] = {} if seeds is None or domain in unchanged else {"seeds": seeds}
        if (listed := base.experiments[experiment].methods) is not None:
            own["methods"] = [*listed, name]
        if own:
            changed[experiment] = own
    given = {domain: value.model_dump(mode="json", exclude_unset=True) for domain, value in options.items()}
    overlay: dict[str, Any] = {
        "extensions": [file.as_posix()],
        "domains": list(experiments),
        "methods": {name: given},
    }
    if changed:
        overlay["experiments"] = changed
    overlay["figure"] = {"names": _figures(base, list(experiments))}
    return overlay


def _figures(base: Configuration, domains: Sequence[str]) -> list[str]:
    """The scale's figures that show all methods of these domains, and no other domain.

    A domain without such figures has its others, as only experiments that a figure reads are run.
    """
    chosen = []
    for domain in domains:
        possible = [key for key, section in base.experiments.items() if section.domain == domain]
        own = [name for name in base.figure.names if _reads_only(name, possible)]
        chosen += [name for name in own if figure_entry(name).methods is None] or own
    return [name for name in base.figure.names if name in chosen]


def _reads_only(figure: str, experiments: Sequence[str]) -> bool:
    """Whether a figure reads some of these experiments and no others."""
    return all(fnmatch.filter(experiments, pattern) for pattern in figure_entry(figure).experiments)


def options_of(variant: str, method: str) -> dict[str, Any]:
    """A method's options by domain in the variant's file; empty if there is none."""
    path = path_of(variant)
    methods = read_mapping(path).get("methods") if path.exists() else None
    options = methods.get(method) if isinstance(methods, dict) else None
    return options if isinstance(options, dict) else {}


def check_free(variant: str, given: Path, file: Path) -> None:
    """Check that no one else uses the names of the variant and of the method.

    Args:
        variant: name of the variant.
        given: the method's file as it was given.
        file: where the variant finds it, from ``method_in_project``.

    Raises:
        ConfigError: the variant's name is taken, or another variant has another file of this name, or the
            copy of another version of this file.
    """
    path = path_of(variant)
    if path.exists() and not _is_trial(path):
        raise ConfigError(f"{path} exists and was not written by `fpc try`; choose another --name")
    for other in sorted(VARIANTS.glob("*.yaml")):
        for listed in _extensions_of(other):
            if other == path and listed != file:
                raise ConfigError(f"{path} is the trial of {listed}; choose another --name, or delete it")
            if other == path or listed.name != file.name:
                continue
            remedy = "rename your file"
            if _is_trial(other):
                remedy += ", or delete that variant if it is no longer needed"
            if listed != file:
                raise ConfigError(f"{other} uses {listed}, a method of the same name; {remedy}")
            if content_of(file) not in (None, given.read_bytes()):
                raise ConfigError(f"{other} uses {file}, the copy of another version of your file; {remedy}")


def _extensions_of(variant: Path) -> list[Path]:
    """The files and folders that a variant's file lists; none if it is wrong, which ``load`` will say."""
    try:
        listed = read_mapping(variant).get("extensions")
    except ConfigError:
        return []
    return [Path(text) for text in listed if isinstance(text, str)] if isinstance(listed, list) else []


def _is_trial(path: Path) -> bool:
    return path.read_bytes().startswith(MARK.encode())


def write(scale: str, variant: str, overlay: Mapping[str, Any]) -> Configuration:
    """Write the variant's file, and load it.

    Args:
        scale: the scale.
        variant: name of the variant.
        overlay: from ``overlay_of``.

    Raises:
        ConfigError: the configuration that results is invalid; then the file is as it was.
    """
    target = path_of(variant)
    text = StringIO()
    yaml = YAML()
    yaml.dump(dict(overlay), text)
    with restored_after_error(target):
        put(target, f"{MARK}\n{text.getvalue()}".encode())
        try:
            return load(scale, variant)
        except ConfigError as error:
            raise ConfigError(str(error).replace(f"{target}: ", "the variant of this trial: ")) from error
