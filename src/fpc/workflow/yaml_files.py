"""Reads the YAML files that people write; whatever is wrong with one is a single line with its place."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from fpc.core.errors import ConfigError


def read_mapping(path: Path) -> dict[str, Any]:
    """The keys and values of a YAML file; any line ends, with or without a byte-order mark.

    Raises:
        ConfigError: it cannot be read, is no YAML or empty, or a value contains itself or half a character.
    """
    try:
        content = YAML(typ="safe", pure=True).load(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except MarkedYAMLError as error:
        raise ConfigError(f"{path}{_place(error)}: {_problem(error)}") from error
    # A number, date or tag that is none ends in Python's own errors.
    except (YAMLError, ValueError, KeyError, RecursionError) as error:
        first = str(error).splitlines()[0]
        raise ConfigError(f"{path}: cannot be read as YAML: {first}") from error
    if content is None:
        raise ConfigError(f"{path}: is empty; it must contain keys and values")
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: must contain keys and values, not a {type(content).__name__}")
    _check_values(path, content, ())
    return content


def _place(error: MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    return "" if mark is None else f", line {mark.line + 1}, column {mark.column + 1}"


def _problem(error: MarkedYAMLError) -> str:
    text = str(error.problem)
    if isinstance(error, DuplicateKeyError):  # its text goes on with the whole values
        return f"{text.partition(' with value')[0]}; keep one of them"
    if "'\\t'" in text:
        return "a tab; indent with spaces"
    return f"cannot be read as YAML: {text}"


def _check_values(path: Path, value: Any, above: tuple[int, ...], key: str = "") -> None:
    """Refuse an anchor whose value contains the anchor's own alias, and text that no file can hold."""
    if isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise ConfigError(
            f"{path}: {key.removeprefix('.')}: {value!r} holds half of a character; write the whole "
            "one, such as \\U0001F600 for \\uD83D\\uDE00"
        )
    if id(value) in above:
        raise ConfigError(f"{path}: an alias (*) inside its own anchor (&) has no end; remove it")
    inner: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        inner = [*((key, name) for name in value), *((f"{key}.{name}", item) for name, item in value.items())]
    elif isinstance(value, list):
        inner = [(f"{key}.{number}", item) for number, item in enumerate(value)]
    for place, item in inner:
        _check_values(path, item, (*above, id(value)), place)
