"""Entry points of an artifact's code: the modules whose imports determine its content."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fpc.core.tables import PI_STAR
from fpc.figures.catalogue import figure_domain, figure_entry
from fpc.lineage.artifact import Row
from fpc.retention.registry import load_method, method_names


def entry_points(row: Row, section: Mapping[str, Any]) -> list[str]:
    """Entry points of a row: what its phase calls for its domain and method, or for its figure.

    Args:
        row: a row of the run table.
        section: the row's configuration section.
    """
    if row.experiment is not None:
        called = "evaluate_pi_star" if row.method == PI_STAR else row.phase
        domain = [f"fpc.domains.{section['domain']}.domain:{called}"] if "domain" in section else []
        return domain + ([load_method(row.method).__module__] if row.method not in (None, PI_STAR) else [])
    return _OF_PHASE[row.phase](row)


TABLES = "fpc.core.tables"  # whoever reads tables of runs


def _of_figure(row: Row) -> list[str]:
    assert row.name is not None
    entry, owner = figure_entry(row.name), figure_domain(row.name)
    derives = [f"fpc.domains.{owner}.domain:derived_tables"] if entry.derived else []
    derives += [f"fpc.domains.{owner}.derived_tables"] if entry.derived else []
    derives += [f"fpc.domains.{owner}.recorded_tables"] if entry.recorded else []
    # Methods say how they are drawn, and which of them start from pi*.
    methods = [load_method(name).__module__ for name in entry.methods or method_names()]
    return [
        TABLES,
        "fpc.figures.publication",
        entry.module,
        f"fpc.figures.catalogue.{owner}",
        *derives,
        *methods,
    ]


def _of_claims(row: Row) -> list[str]:
    return [TABLES, "fpc.reporting.files", "fpc.claims.*"]


def _of_report(row: Row) -> list[str]:
    return ["fpc.reporting.files", "fpc.figures.catalogue.*"]


_OF_PHASE = {"figure": _of_figure, "claims": _of_claims, "report": _of_report}
