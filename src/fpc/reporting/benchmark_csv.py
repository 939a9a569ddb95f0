"""The comparison of methods as data: one row per domain, method and metric."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from fpc.core.statistics import Estimate
from fpc.reporting.benchmark import Comparison, DomainTable, Line

COLUMNS = (
    *("domain", "experiment", "method", "variant", "metric", "value", "low", "high", "level", "seeds"),
    *("seeds_asked_for", "against", "p_value", "words", "reason"),
)


def tidy(tables: Sequence[DomainTable]) -> pd.DataFrame:
    """One row per domain, method and metric, with the columns ``COLUMNS``.

    ``value`` is empty where nothing was measured, and then ``reason`` says why; an infinite ``solved_at``
    means never.
    """
    rows = [row for table in tables for line in table.lines for row in _tidy_rows(table, line)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def csv_text(tables: Sequence[DomainTable]) -> str:
    """``tidy`` as CSV, with as many digits as all machines agree on."""
    return tidy(tables).to_csv(index=False, lineterminator="\n", float_format="%.6g")


def _tidy_rows(table: DomainTable, line: Line) -> list[dict[str, Any]]:
    entrant = line.entrant
    shared = {
        "domain": table.domain,
        "experiment": table.benchmark.experiment,
        "method": entrant.method,
        "variant": entrant.variant or "",
        "seeds": line.seeds,
        "seeds_asked_for": entrant.seeds,
    }
    single = {"solved_at": line.solved_at, "seconds": line.seconds}
    metrics: dict[str, dict[str, Any]] = {
        "score": _of_estimate(line.score),
        "minus_vanilla": _of_comparison(line.vanilla),
        f"minus_{table.against or 'best_other'}": _of_comparison(line.other),
        "far_kept": _of_estimate(line.far_kept),
        **{f"minus_{one.other}": _of_comparison(one) for one in line.named},
        **{name: {"value": value} for name, value in single.items()},
    }
    for name, values in metrics.items():
        if values.get("value") is None and not values.get("reason"):
            values["reason"] = _why_empty(name, line)
    return [{**shared, "metric": name, **values} for name, values in metrics.items()]


def _why_empty(metric: str, line: Line) -> str:
    """Why a line has no number of this metric."""
    own = {"score": "score", "far_kept": "Far kept", "solved_at": "solved"}.get(metric, "")
    if own in line.reasons:
        return line.reasons[own]
    if line.score is None:
        return line.reasons.get("score", "it has no score")
    if metric == "seconds":
        return "no current run was timed"
    if metric == f"minus_{line.entrant.name}":
        return "it is the method that others are compared with"
    return "no other method has a score"


def _of_estimate(found: Estimate | None) -> dict[str, Any]:
    if found is None:
        return {}
    return {"value": found.value, "low": found.low, "high": found.high, "level": found.level}


def _of_comparison(found: Comparison | None) -> dict[str, Any]:
    if found is None:
        return {}
    words = {"against": found.other, "p_value": found.p_value, "words": found.words, "reason": found.reason}
    return {**_of_estimate(found.estimate), **words}
