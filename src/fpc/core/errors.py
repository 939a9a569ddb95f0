"""Errors that a person can cause, and clear messages for them: file, key, allowed values, how to fix it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, ValidationError

from fpc.core.renamed import RENAMED

SECTION_EXPECTED = (
    "dict_type",
    "model_type",
    "model_attributes_type",
)  # pydantic's words for it name a class
TEMPORARY = 75  # exit code (EX_TEMPFAIL): the same command may well succeed later, or on another node
LONGEST_VALUE = 80  # characters of a value that a message shows


class UserError(Exception):
    """What a person can cause and fix; the command line prints the message alone, without a traceback.

    Errors of the program itself (a wrong shape, say) have other types and keep their traceback.
    """

    exit_code: ClassVar[int] = 1


class ConfigError(UserError, ValueError):
    """The configuration or an option is invalid; the message says where and how to fix it.

    It is a ValueError because pydantic turns those of validators into findings with their key.
    """

    exit_code = 2


class DataError(UserError, ValueError):
    """A file that is read cannot be used: damaged, incomplete, or of other sizes than the configuration's."""


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """' Did you mean ...?' with the closest allowed word, or an empty string."""
    folded = {other.casefold(): other for other in allowed}
    near = difflib.get_close_matches(word.casefold(), list(folded), n=1, cutoff=0.5)
    return f" Did you mean '{folded[near[0]]}'?" if near else ""


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


def _wrong_value(kind: str, message: str, value: Any) -> str:
    """What pydantic says, and the value in brief: a section's own check names the values that do not fit."""
    message = message.removeprefix("Value error, ")
    if kind in SECTION_EXPECTED:
        message = "must have keys and values"
    if value is None:
        return f"{message} (found nothing); give it a value, or remove the key."
    if isinstance(value, Mapping):
        own_check = kind in ("value_error", "assertion_error")
        return (
            f"{message}." if own_check else f"{message} (found keys: {_brief(', '.join(map(str, value)))})."
        )
    return f"{message} (found {_brief(repr(value))})."


def _brief(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}..."


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
            text = _wrong_value(item["type"], item["msg"], item.get("input"))
        findings.append((location, text))
    return findings
