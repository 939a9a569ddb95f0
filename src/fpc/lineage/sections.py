"""Configuration sections compared: what a manifest recorded, and what the configuration asks for now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fpc.core.files import digest_of
from fpc.lineage.diff import changes

SHOWN = 5  # changed keys in a reason
# Keys that got another name and mean the same: former -> present. A manifest made under the former name is
# read as if it had the present one, so that a renaming alone makes nothing stale. Add to it, remove nothing.
RENAMED = {
    "discount": "gamma",
    "gradient_clip": "max_grad_norm",
    "maximum_steps": "max_steps",
}


def with_present_names(value: Any) -> Any:
    """A section, or a part of one, with present names for former ones."""
    if isinstance(value, Mapping):
        return {RENAMED.get(key, key): with_present_names(item) for key, item in value.items()}
    return [with_present_names(item) for item in value] if isinstance(value, list | tuple) else value


def changed(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What of a section changed, in words; empty where nothing did but names.

    Args:
        then: the section that a manifest recorded.
        now: the section that the configuration has.
    """
    one, other = with_present_names(then), with_present_names(now)
    if digest_of(one) == digest_of(other):
        return ""
    words = [_change(*item) for item in changes(one, other)]
    more = f"; and {len(words) - SHOWN} more" if len(words) > SHOWN else ""
    return "; ".join(words[:SHOWN]) + more or "values of another type"


def _change(key: str, then: list[Any], now: list[Any]) -> str:
    if not now:
        return f"{key} was {then[0]!r} and is gone"
    return f"{key} was {then[0]!r}, is {now[0]!r}" if then else f"{key} is new, {now[0]!r}"
