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
from fpc.workflow.consistency import Origin, where

MOST_FINDINGS = 8  # that one message lists
# In pydantic's words, and in YAML's.
NO_LIST, LIST = "Input should be a valid tuple", "must be a list, such as [a, b]"
NO_LISTS = (NO_LIST, "Input should be a valid array")
# Far above what anybody runs, and far below what fills the memory before a run begins.
MOST_SEEDS, MOST_MILESTONES, MOST_RESAMPLES = 1_000, 10_000, 1_000_000
Model = TypeVar("Model", bound=BaseModel)


def validated(model: type[Model], value: Any, at: tuple[str, ...], origin: Origin) -> Model:
    """``value`` as a section; `true` or a number in quotes is no number, and 2.0e+6 is an integer.

    Raises:
        ConfigError: a key or value is wrong; the text has a line for each.
    """
    try:
        model.model_validate_json(json.dumps(_plain(value), default=str), strict=True)
        return model.model_validate(value)
    except ValidationError as error:
        found = [(path, _in_words(text)) for path, text in describe(error, model)]
        lines = [where((*at, *path), origin) + text for path, text in found]
        if len(lines) > MOST_FINDINGS:
            lines[MOST_FINDINGS:] = [f"... and {len(lines) - MOST_FINDINGS} more"]
        raise ConfigError("\n".join(lines)) from error


def _in_words(text: str) -> str:
    for words in NO_LISTS:
        text = text.replace(words, LIST)
    return text


def _plain(value: Any) -> Any:
    """Whole numbers as integers, which strict validation takes for every kind of number."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def check_experiment_size(name: str, experiment: Experiment, origin: Origin) -> None:
    """Check that the seeds and milestones of an experiment can be listed."""
    at = ("experiments", name)
    _check_most((*at, "seeds"), experiment.seeds, MOST_SEEDS, "seeds", origin)
    finetune = getattr(experiment, "finetune", None)
    if isinstance(finetune, MilestoneOptions):
        check_milestones((*at, "finetune", "steps"), finetune, finetune.steps, origin)


def check_milestones(at: tuple[str, ...], finetune: MilestoneOptions, steps: int, origin: Origin) -> None:
    """Check that the milestones of a run of ``steps`` steps can be listed."""
    every = finetune.evaluate_every
    _check_most(at, steps // every, MOST_MILESTONES, f"milestones, one in {every} steps", origin)


def check_resamples(figure: FigureSection, claims: ClaimsSection, origin: Origin) -> None:
    """Check that the bootstrap's resamples can be held in memory."""
    for name, section in (("figure", figure), ("claims", claims)):
        _check_most((name, "resamples"), section.resamples, MOST_RESAMPLES, "resamples", origin)


def _check_most(at: tuple[str, ...], found: int, most: int, what: str, origin: Origin) -> None:
    if found > most:
        raise ConfigError(f"{where(at, origin)}gives {found} {what}; allowed are at most {most}.")
