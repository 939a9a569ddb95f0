"""Clear messages for configuration errors: file, key, allowed values and how to fix it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from fpc.core.renamed import RENAMED


class ConfigError(ValueError):
    """The configuration is invalid; the message says where and how to fix it."""


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """' Did you mean ...?' with the closest allowed word, or an empty string."""
    near = difflib.get_close_matches(word, list(allowed), n=1, cutoff=0.5)
    return f" Did you mean '{near[0]}'?" if near else ""


def unknown(kind: str, word: str, allowed: Iterable[str]) -> str:
    """A message about an unknown ``word``, with a suggestion and the allowed words."""
    allowed = list(allowed)
    listed = ", ".join(allowed) or "none"
    return f"unknown {kind} '{word}'.{did_you_mean(word, allowed)} Allowed: {listed}."


def _unknown_key(key: str, allowed: Sequence[str]) -> str:
    """The error for an unknown key; if it is the old name of an allowed key, it gives the new one."""
    new_name = RENAMED.get(key)
    return f"'{key}' is called '{new_name}' now." if new_name in allowed else unknown("key", key, allowed)


def _model_at(model: type[BaseModel], location: Sequence[Any]) -> type[BaseModel] | None:
    """The section type to which the last key of ``location`` belongs."""
    for key in location[:-1]:
        field = model.model_fields.get(str(key))
        candidates = [] if field is None else [field.annotation, *getattr(field.annotation, "__args__", ())]
        sections = [item for item in candidates if isinstance(item, type) and issubclass(item, BaseModel)]
        if sections:
            model = sections[0]
    return model


def describe(error: ValidationError, model: type[BaseModel]) -> list[tuple[tuple[str, ...], str]]:
    """(key path, message) for each pydantic error; the message says what is wrong and what is allowed."""
    findings = []
    for item in error.errors(include_url=False):
        location = tuple(str(key) for key in item["loc"])
        if item["type"] == "extra_forbidden":
            owner = _model_at(model, item["loc"])
            fields = list(owner.model_fields) if owner else []
            text = _unknown_key(location[-1], fields)
        elif item["type"] == "missing":
            text = "is missing; give it a value."
        else:
            value = item.get("input")
            text = f"{item['msg']} (found {value!r})."
        findings.append((location, text))
    return findings
