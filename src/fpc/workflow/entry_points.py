"""Where the making of an artifact begins: the modules whose imports decide what it holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fpc.figures.catalogue import figure_domain, figure_entry
from fpc.lineage.artifact import Row
from fpc.retention.registry import load_method


def entry_points(row: Row, section: Mapping[str, Any]) -> list[str]:
    """Entry points of a row: what its phase calls, by its domain and method, or by its figure.

    Args:
        row: of the run table.
        section: its configuration section.
    """
    if row.experiment is not None:
        domain = [f"fpc.domains.{section['domain']}.domain:{row.phase}"] if "domain" in section else []
        return domain + ([load_method(row.method).__module__] if row.method else [])
    phase = f"fpc.workflow.phases.{row.phase}"
    if row.phase == "figure" and row.name is not None:
        entry, owner = figure_entry(row.name), figure_domain(row.name)
        derives = [f"fpc.domains.{owner}.domain:derived_tables"] if entry.derived else []
        return [phase, entry.module, f"fpc.figures.catalogue.{owner}", *derives]
    return [phase, "fpc.claims.*"] if row.phase == "claims" else [phase]
