"""Configuration keys that were renamed without changing their meaning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Old name -> new name. Sections recorded with an old name are read with the new one, so a renaming alone
# makes nothing stale; a configuration that uses an old name is told the new one. Only ever add entries.
RENAMED = {
    "discount": "gamma",
    "gradient_clip": "max_grad_norm",
    "maximum_steps": "max_steps",
}


def with_new_names(value: Any) -> Any:
    """A section, or part of one, with old key names replaced by new ones."""
    if isinstance(value, Mapping):
        return {RENAMED.get(key, key): with_new_names(item) for key, item in value.items()}
    return [with_new_names(item) for item in value] if isinstance(value, list | tuple) else value
