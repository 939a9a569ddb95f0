"""Reads ``paper.yaml`` and its overlays, and validates everything before anything is created.

Overlays are stacked left to right: ``paper.yaml``, the scale's file, the variant's file. Mappings
are merged key by key; any other value replaces the previous one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fpc.config.experiment import Experiment
from fpc.config.milestones import MilestoneOptions
from fpc.config.names import RULE, is_name
from fpc.core.errors import ConfigError, describe, unknown
from fpc.domains.registry import domain_names, experiment_type, load_domain
from fpc.lineage.artifact import label_of
from fpc.lineage.places import check_here
from fpc.retention.interface import MethodOptions
from fpc.retention.registry import load_method, method_names
from fpc.workflow.checkout import require_checkout
from fpc.workflow.configuration import Configuration, Root
from fpc.workflow.consistency import BASE, CONFIGS, Origin, check_devices, check_figures, check_plan, where
from fpc.workflow.extending import use_extensions
from fpc.workflow.validation import check_experiment_size, check_milestones, check_resamples, validated
from fpc.workflow.yaml_files import read_mapping

VARIANTS = CONFIGS / "variants"
LONGEST = 200  # characters of a name that a file can have, with its ending
RESERVED = ("figures", "all")  # folders beside those of experiments


def scales(folder: Path = CONFIGS) -> list[str]:
    """Names of the scales that have a file."""
    return _names(folder)


def variants(folder: Path = CONFIGS) -> list[str]:
    """Names of the variants that have a file."""
    return _names(folder / "variants")


def _names(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.yaml") if is_name(path.stem))


def load(scale: str = "demo", variant: str | None = None, folder: Path = CONFIGS) -> Configuration:
    """The validated configuration of a scale, with a variant applied to it.

    Raises:
        ConfigError: a file, key, value or combination is wrong; the text says how to fix it.
    """
    read = {path: read_mapping(path) for path in _files(scale, variant, folder)}
    if variant is None:
        return _configuration(scale, None, read, None)
    overlay = folder / "variants" / f"{variant}.yaml"
    own = {path: content for path, content in read.items() if path != overlay}
    return _configuration(scale, variant, read, _configuration(scale, None, own, None))


def _configuration(
    scale: str, variant: str | None, read: Mapping[Path, Mapping[str, Any]], base: Configuration | None
) -> Configuration:
    """Merge and validate the content of configuration files."""
    merged: dict[str, Any] = {}
    origin: Origin = {}
    for path, content in read.items():
        _merge(merged, content, str(path), (), origin)
    if isinstance(sections := merged.get("experiments"), dict):
        merged["experiments"] = _resolved(sections, origin)
    _use_extensions(merged.get("extensions"), origin)
    root: Root = validated(Root, merged, (), origin)
    check_resamples(root.figure, root.claims, origin)
    if root.scale != scale:
        raise ConfigError(
            where(("scale",), origin) + f"is '{root.scale}'; it must equal the file's name, '{scale}'."
        )
    for name in root.record.without:
        if name not in root.experiments:
            raise ConfigError(
                where(("record", "without"), origin) + unknown("experiment", name, root.experiments)
            )
    experiments = _chosen(root, origin)
    methods = {name: _method(name, value, origin) for name, value in root.methods.items()}
    configuration = Configuration(
        scale=scale,
        variant=variant,
        experiments=experiments,
        methods=methods,
        figure=root.figure,
        claims=root.claims,
        report=root.report,
        plan=root.plan,
        record=root.record,
        extensions=root.extensions,
        base=base,
    )
    for name in experiments:
        _check_methods(configuration, name, origin)
        _check_fit(configuration, name, origin)
    check_figures(configuration, origin)
    check_plan(configuration.plan, origin)
    check_devices(configuration, origin)
    return configuration


def _files(scale: str, variant: str | None, folder: Path) -> list[Path]:
    if folder == CONFIGS:
        require_checkout()
    _check_choice("scale", scale, folder)
    if folder == CONFIGS:
        check_here(label_of(scale, variant))
    files = [folder / f"{BASE}.yaml"]
    if scale != BASE:
        files.append(folder / f"{scale}.yaml")
    if variant is not None:
        _check_choice("variant", variant, folder / "variants")
        files.append(folder / "variants" / f"{variant}.yaml")
    return files


def _use_extensions(listed: Any, origin: Origin) -> None:
    """Import a configuration's extensions, before their methods and domains are looked up."""
    if not isinstance(listed, list) or not all(isinstance(path, str) for path in listed):
        return  # Root's own check says so
    try:
        use_extensions(listed)
    except ValueError as error:
        raise ConfigError(where(("extensions",), origin) + f"{error}") from error


def no_figure(configuration: Configuration, name: str) -> str:
    """Why a scale does not draw a figure: another variant does, or there is no such figure."""
    drawn_by = [
        variant
        for variant in variants()
        if name in ((read_mapping(VARIANTS / f"{variant}.yaml").get("figure") or {}).get("names") or ())
    ]
    if drawn_by:
        return f"{name} is drawn by a variant only; choose variant {' or '.join(drawn_by)}."
    return unknown("figure", name, configuration.figure.names)


def _check_choice(kind: str, name: str, folder: Path) -> None:
    allowed = _names(folder)
    if name in allowed:
        return
    if not name:
        raise ConfigError(f"the name of the {kind} is empty; give one of: {', '.join(allowed)}")
    if "/" not in name and len(name) <= LONGEST and (file := folder / f"{name}.yaml").exists():
        raise ConfigError(f"{str(file)!r}: {RULE}; rename the file")
    raise ConfigError(f"{folder}: {unknown(kind, name, allowed)}")


def _merge(
    target: dict[str, Any], overlay: Mapping[str, Any], file: str, at: tuple[str, ...], origin: Origin
) -> None:
    """Merge ``overlay`` into ``target`` in place, and record which file set each key last."""
    for key, value in overlay.items():
        path = (*at, str(key))
        origin[path] = file
        if isinstance(value, Mapping):
            inner = target.get(str(key))
            target[str(key)] = inner = dict(inner) if isinstance(inner, dict) else {}
            _merge(inner, value, file, path, origin)
        else:
            target[str(key)] = value


def _resolved(experiments: Mapping[str, Any], origin: Origin) -> dict[str, Any]:
    """Experiments with ``extends`` replaced by the values of the experiment that it names."""
    done: dict[str, Any] = {}

    def resolve(name: str, seen: tuple[str, ...]) -> Any:
        if name in done or not isinstance(experiments[name], Mapping):
            return done.get(name, experiments[name])
        own = dict(experiments[name])
        parent = own.pop("extends", None)
        if parent is not None:
            key = ("experiments", name, "extends")
            if not isinstance(parent, str) or parent not in experiments or parent in (*seen, name):
                others = [other for other in experiments if other not in (*seen, name)]
                raise ConfigError(where(key, origin) + unknown("experiment", str(parent), others))
            base: dict[str, Any] = {}
            inherited = resolve(parent, (*seen, name))
            _merge(base, inherited if isinstance(inherited, Mapping) else {}, "", (), {})
            _merge(base, own, "", (), {})
            own = base
        done[name] = own
        return own

    return {name: resolve(name, ()) for name in experiments}


def _chosen(root: Root, origin: Origin) -> dict[str, Experiment]:
    """The experiments, all of them valid, that are part of the scale."""
    experiments = {name: _experiment(name, value, origin) for name, value in root.experiments.items()}
    if root.domains is None:
        return experiments
    for domain in root.domains:
        if domain not in domain_names():
            raise ConfigError(where(("domains",), origin) + unknown("domain", domain, domain_names()))
    return {name: value for name, value in experiments.items() if value.domain in root.domains}


def _experiment(name: str, value: dict[str, Any], origin: Origin) -> Experiment:
    at = ("experiments", name)
    if not is_name(name) or name in RESERVED:
        raise ConfigError(where(at, origin) + f"{RULE}; {' and '.join(RESERVED)} are taken. Rename it.")
    domain = value.get("domain")
    if domain not in domain_names():
        raise ConfigError(where((*at, "domain"), origin) + unknown("domain", str(domain), domain_names()))
    experiment = validated(experiment_type(domain), value, at, origin)
    check_experiment_size(name, experiment, origin)
    return experiment


def _method(name: str, value: dict[str, dict[str, Any]], origin: Origin) -> dict[str, MethodOptions]:
    if name not in method_names():
        raise ConfigError(where(("methods", name), origin) + unknown("method", name, method_names()))
    method = load_method(name)
    options = {}
    for domain, given in value.items():
        at = ("methods", name, domain)
        if domain not in domain_names():
            raise ConfigError(where(at, origin) + unknown("domain", domain, domain_names()))
        options[domain] = validated(method.Options, given, at, origin)
        _check_pair(name, domain, origin)
    return options


def _check_pair(name: str, domain_name: str, origin: Origin) -> None:
    learner = load_domain(domain_name).learner
    lacking = load_method(name).needs - learner.provides
    if lacking:
        possible = [other for other in method_names() if load_method(other).needs <= learner.provides]
        raise ConfigError(
            where(("methods", name, domain_name), origin)
            + f"{name} needs {', '.join(sorted(lacking))}, which {learner.name} "
            f"(the learner of {domain_name}) does not have. Methods for it: {', '.join(possible)}."
        )


def _check_methods(configuration: Configuration, name: str, origin: Origin) -> None:
    """Check that an experiment's methods exist for its domain, and their options and budgets."""
    section = configuration.experiments[name]
    at = ("experiments", name)
    possible = [key for key, domains in configuration.methods.items() if section.domain in domains]
    for method in section.methods or ():
        if method not in possible:
            raise ConfigError(where((*at, "methods"), origin) + unknown("method", method, possible))
    for method, own in (section.method_options or {}).items():
        key = (*at, "method_options", method)
        if method not in possible:
            raise ConfigError(where(key, origin) + unknown("method", method, possible))
        options = configuration.methods[method][section.domain]
        validated(type(options), options.model_dump() | own, key, origin)
    budgets = {method: configuration.options(name, method).steps for method in configuration.methods_of(name)}
    _check_budgets(budgets, name, section, origin)


def _check_budgets(budgets: Mapping[str, int | None], name: str, section: Experiment, origin: Origin) -> None:
    """Check that methods' own budgets can be run, and that unequal ones are explained."""
    own = {method: steps for method, steps in budgets.items() if steps is not None}
    if isinstance(finetune := getattr(section, "finetune", None), MilestoneOptions):
        for method, steps in own.items():
            key = ("experiments", name, "method_options", method, "steps")
            at = key if key in origin else ("methods", method, section.domain, "steps")
            check_milestones(at, finetune, steps, origin)
    if len(set(budgets.values())) > 1 and section.unequal_budget is None:
        first = next(iter(own))
        raise ConfigError(
            where(("methods", first, section.domain, "steps"), origin)
            + f"methods of experiment '{name}' have unequal budgets ({own}; others use the experiment's). "
            f"Remove `steps`, or give the reason in experiments.{name}.unequal_budget."
        )


def _check_fit(configuration: Configuration, name: str, origin: Origin) -> None:
    """Run the domain's own check of each method in an experiment."""
    section = configuration.experiments[name]
    for method in configuration.methods_of(name):
        try:
            load_domain(section.domain).check(section, method, configuration.options(name, method))
        except ValueError as error:
            key, _, text = str(error).partition(": ")
            place = where(("methods", method, section.domain, key), origin) + f"in experiment '{name}': "
            raise ConfigError(place + text) from error
        _check_changes(configuration, name, method, origin)


def _check_changes(configuration: Configuration, name: str, method: str, origin: Origin) -> None:
    """Check that what a method changes in an experiment is valid there."""
    place = where(("methods", method), origin) + f"its finetune_changes for experiment '{name}'"
    try:
        configuration.experiment_of(name, method)
    except ValidationError as error:
        model = type(configuration.experiments[name])
        found = "; ".join(f"{'.'.join(path)}: {text}" for path, text in describe(error, model))
        raise ConfigError(f"{place} are not valid: {found}") from error
    except Exception as error:
        raise ConfigError(f"{place} fail: {type(error).__name__}: {error}; correct them") from error
