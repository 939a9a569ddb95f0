"""Settings of matplotlib that no machine, folder or person changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl

# The backend is for windows and notebooks; files are written by the canvas of their format.
NOT_STYLE = ("backend", "backend_fallback", "interactive", "toolbar")


@contextmanager
def own_settings(changes: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Context manager: matplotlib's defaults, whatever a ``matplotlibrc`` says, with ``changes``."""
    settings: dict[Any, Any] = {key: mpl.rcParamsDefault[key] for key in mpl.rcParamsDefault}
    settings = {key: value for key, value in settings.items() if key not in NOT_STYLE}
    settings |= changes or {}
    with mpl.rc_context(settings):
        yield
