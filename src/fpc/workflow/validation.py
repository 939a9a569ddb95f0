"""Validates configuration values, their types and sizes; errors name the file that set a key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from fpc.config.experiment import Experiment
from fpc.config.milestones import MilestoneOptions
from fpc.core.errors import ConfigError, describe
from fpc.workflow.configuration import ClaimsSection, FigureSection
from fpc.workflow.consistency import Origin, is_base, where

MOST_FINDINGS = 8  # that one message lists
# In pydantic's words, and in YAML's.
NO_LIST, LIST = "Input should be a valid tuple", "must be a list, such as [a, b]"
NUMBERS = ("int_type", "float_type")  # what pydantic calls a value of another type
# Far above what anybody runs, and far below what fills the memory before a run begins.
MOST_SEEDS, MOST_MILESTONES, MOST_RESAMPLES = 1_000, 10_000, 1_000_000
Model = TypeVar("Model", bound=BaseModel)


def validated(model: type[Model], value: Any, at: tuple[str, ...], origin: Origin) -> Model:
    """``value`` as a section; `true` or a number in quotes is no number, and 2.0e+6 is an integer.

    Raises:
        ConfigError: a key or value is wrong; the text has a line for each.
    """
    try:
        section = model.model_validate(value)
    except ValidationError as error:
        found = describe(error, model)
    else:
        if not (found := _taken_for_numbers(model, value)):
            return section
    lines = [where((*at, *path), origin) + text.replace(NO_LIST, LIST) for path, text in found]
    if len(lines) > MOST_FINDINGS:
        lines[MOST_FINDINGS:] = [f"... and {len(lines) - MOST_FINDINGS} more"]
    raise ConfigError("\n".join(lines))


def _taken_for_numbers(model: type[BaseModel], value: Any) -> list[tuple[tuple[str, ...], str]]:
    """Key and message for each truth value or text that pydantic has taken for a number."""
    try:
        model.model_validate_json(json.dumps(_plain(value), default=str), strict=True)
    except ValidationError as error:
        return [
            finding
            for finding, item in zip(describe(error, model), error.errors(), strict=True)
            if item["type"] in NUMBERS and isinstance(item["input"], bool | str)
        ]
    return []


def _plain(value: Any) -> Any:
    """Whole numbers as integers, which strict validation takes for every kind of number."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def check_experiment_size(name: str, experiment: Experiment, origin: Origin) -> None:
    """Check that the seeds and milestones of an experiment can be listed.

    Raises:
        ConfigError: there are more than memory holds.
    """
    at = ("experiments", name)
    _check_most((*at, "seeds"), experiment.seeds, MOST_SEEDS, "seeds", origin)
    finetune = getattr(experiment, "finetune", None)
    if isinstance(finetune, MilestoneOptions):
        steps, every = (*at, "finetune", "steps"), (*at, "finetune", "evaluate_every")
        is_every = is_base(steps, origin) and not is_base(every, origin)
        check_milestones(every if is_every else steps, finetune, finetune.steps, origin)
    elif isinstance(number := getattr(finetune, "milestones", None), int):
        _check_most((*at, "finetune", "milestones"), number, MOST_MILESTONES, "milestones", origin)


def check_milestones(at: tuple[str, ...], finetune: MilestoneOptions, steps: int, origin: Origin) -> None:
    """Check that the milestones of a run of ``steps`` steps can be listed.

    Args:
        at: the key to be named.
        finetune: the experiment's section.
        steps: of the run, as a method's budget may differ.
        origin: the files that set keys.

    Raises:
        ConfigError: there are more than memory holds.
    """
    every = finetune.evaluate_every
    what = f"milestones, as {steps} steps are evaluated every {every} (evaluate_every)"
    _check_most(at, steps // every, MOST_MILESTONES, what, origin)


def check_resamples(figure: FigureSection, claims: ClaimsSection, origin: Origin) -> None:
    """Check that the bootstrap's resamples can be held in memory.

    Raises:
        ConfigError: they cannot.
    """
    for name, section in (("figure", figure), ("claims", claims)):
        _check_most((name, "resamples"), section.resamples, MOST_RESAMPLES, "resamples", origin)


def _check_most(at: tuple[str, ...], found: int, most: int, what: str, origin: Origin) -> None:
    if found > most:
        raise ConfigError(
            f"{where(at, origin)}gives {found} {what}; change it so that there are at most {most}."
        )
