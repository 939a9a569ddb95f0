"""Compares configuration sections: the one a manifest recorded with the present one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fpc.core.files import digest_of
from fpc.core.renamed import with_new_names
from fpc.lineage.diff import changes

SHOWN = 5  # changed keys listed in a reason


def changed(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What changed in a section, in words; empty if only names did.

    Args:
        then: the section recorded in a manifest.
        now: the section in the present configuration.
    """
    one, other = with_new_names(then), with_new_names(now)
    if digest_of(one) == digest_of(other):
        return ""
    words = [_change(*item) for item in changes(one, other)]
    more = f"; and {len(words) - SHOWN} more" if len(words) > SHOWN else ""
    return "; ".join(words[:SHOWN]) + more or "values of another type"


def _change(key: str, then: list[Any], now: list[Any]) -> str:
    if not now:
        return f"{key} was {then[0]!r} and is gone"
    return f"{key} was {then[0]!r}, is {now[0]!r}" if then else f"{key} is new, {now[0]!r}"
