"""The report: one page of HTML that needs no other file, no script and no network."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from fpc.claims.seeds import KEYS

VERDICTS = {"reproduced": "reproduced", "not_reproduced": "not reproduced", "not_testable": "not testable"}


@dataclass(frozen=True)
class ReportFigure:
    """A figure as it was published: its SVG, its plotted data as CSV text, and its film where it has one."""

    name: str
    title: str
    svg: bytes
    csv: str
    gif: bytes | None = None

    @property
    def heading(self) -> str:
        """``figure_3c`` as Figure 3c."""
        kind, _, number = self.name.partition("_")
        return f"{kind.capitalize()} {number}"

    @property
    def picture(self) -> str:
        """The SVG as a data URI."""
        return f"data:image/svg+xml;base64,{base64.b64encode(self.svg).decode()}"

    @property
    def film(self) -> str | None:
        """The GIF as a data URI."""
        return None if self.gif is None else f"data:image/gif;base64,{base64.b64encode(self.gif).decode()}"

    @property
    def download(self) -> str:
        """The plotted data as a data URI."""
        return f"data:text/csv;charset=utf-8;base64,{base64.b64encode(self.csv.encode()).decode()}"


def render_report(
    title: str,
    scale: str,
    claims: Sequence[Mapping[str, Any]],
    figures: Sequence[ReportFigure],
    seeds: pd.DataFrame,
    details: Mapping[str, str],
) -> str:
    """The page.

    Args:
        title: title of the page.
        scale: name of the scale, with its variant.
        claims: records of ``claims.json``.
        figures: in the order in which they are shown.
        seeds: what ``fpc.claims.seeds.seeds_table`` returned.
        details: further facts for the head of the page, such as commit and command.

    Returns:
        HTML, the same for the same input.
    """
    environment = Environment(
        loader=PackageLoader("fpc.reporting"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(
        title=title,
        scale=scale,
        counts=[(words, sum(claim["verdict"] == key for claim in claims)) for key, words in VERDICTS.items()],
        domains=_by_domain(claims),
        figures=figures,
        seeds=_seed_rows(seeds),
        details=details,
        verdicts=VERDICTS,
    )


def _by_domain(claims: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    rows = [{**claim, "measured_text": _measured(claim)} for claim in claims]
    return [(domain, list(part)) for domain, part in groupby(rows, key=lambda claim: str(claim["domain"]))]


def _measured(claim: Mapping[str, Any]) -> str:
    if claim["measured"] is None:
        return "–"
    low, high = claim["interval"]
    interval = "" if low is None or high is None else f" [{low:.3g}, {high:.3g}]"
    return f"{claim['measured']:.3g}{interval}"


def _seed_rows(seeds: pd.DataFrame) -> list[dict[str, Any]]:
    """One row a line of the table, with the values of its seeds in order."""
    rows: list[dict[str, Any]] = []
    table = seeds.assign(condition=seeds["condition"].fillna(""))
    for key, group in table.groupby(KEYS, sort=True, observed=True):
        names = dict(zip(KEYS, key, strict=True))
        steps = sorted(int(step) for step in group["step"].unique())
        pairs = zip(group["seed"].to_numpy(), group["value"].to_numpy(), strict=True)
        values = [(int(seed), f"{value:.2f}" if value < 100 else f"{value:,.0f}") for seed, value in pairs]
        rows.append({**names, "steps": ", ".join(f"{step:,}" for step in steps), "values": values})
    return rows
