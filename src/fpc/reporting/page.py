"""The report: a single HTML page without other files or network access.

Its one script filters the ledger; without it the page shows all claims. The page's content security policy
names the script by its digest, so that nothing else can run.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from fpc.claims.claim import Outcome
from fpc.claims.seeds import KEYS
from fpc.figures.catalogue import figure_domain
from fpc.reporting.embedding import compact_image, compressed, data_uri
from fpc.reporting.findings import Finding, findings_of, prose, seeds_of, sentence, summary_of
from fpc.reporting.ledger import measured_text

SCRIPT = "templates/filter.js"


@dataclass(frozen=True)
class ReportFigure:
    """A published figure: its PNG, its plotted data as CSV text, and its animation if it has one."""

    name: str
    title: str
    caption: str
    png: bytes
    csv: str
    gif: bytes | None = None

    @property
    def heading(self) -> str:
        """``figure_3c`` as Figure 3c."""
        word, _, number = self.name.partition("_")
        return f"{word.capitalize()} {number}"

    @property
    def domain(self) -> str:
        """The domain that it is about."""
        return figure_domain(self.name)

    @cached_property
    def image(self) -> str:
        """The image, compressed, as a data URI."""
        return data_uri(compact_image(self.png), "image/webp")

    @property
    def film(self) -> str | None:
        """The GIF as a data URI."""
        return None if self.gif is None else data_uri(self.gif, "image/gif")

    @property
    def download(self) -> str:
        """The plotted data, compressed, as a data URI."""
        return data_uri(compressed(self.csv), "application/gzip")


def render_report(
    title: str,
    scale: str,
    claims: Sequence[Mapping[str, Any]],
    figures: Sequence[ReportFigure],
    seeds: pd.DataFrame,
    details: Mapping[str, str],
) -> str:
    """Render the page.

    Args:
        title: title of the page.
        scale: name of the scale, with its variant.
        claims: records of ``claims.json``.
        figures: in display order.
        seeds: the result of ``fpc.claims.seeds.seeds_table``.
        details: further entries for the page's header, such as commit and command.

    Returns:
        HTML; the same input gives the same bytes.
    """
    environment = Environment(
        loader=PackageLoader("fpc.reporting"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(prose=prose, sentence=sentence, seeds=seeds_of, number=_number)
    findings, script = findings_of(claims), files("fpc.reporting").joinpath(SCRIPT).read_text("utf-8")
    return environment.get_template("report.html.j2").render(
        title=title,
        scale=scale,
        summary=summary_of(findings, f"scale {scale}"),
        findings=findings,
        pictures=_pictures(findings, figures),
        figures=_by_domain(findings, figures),
        total=len(claims),
        seeds=_seed_rows(seeds),
        details=details,
        outcomes=list(Outcome),
        words={outcome.value: outcome.words for outcome in Outcome},
        script=script,
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _pictures(findings: Sequence[Finding], figures: Sequence[ReportFigure]) -> dict[str, ReportFigure]:
    """Domain -> the figure that opens its part of the page; a domain whose figure is not here has none."""
    named = {figure.name: figure for figure in figures}
    return {finding.domain: named[finding.figure] for finding in findings if finding.figure in named}


def _by_domain(
    findings: Sequence[Finding], figures: Sequence[ReportFigure]
) -> list[tuple[str, list[ReportFigure]]]:
    """Heading and figures of each domain, in the order of the findings."""
    headings = {finding.domain: finding.heading for finding in findings}
    names = dict.fromkeys([*headings, *(figure.domain for figure in figures)])
    parts = [
        (headings.get(name, name), [figure for figure in figures if figure.domain == name]) for name in names
    ]
    return [(heading, part) for heading, part in parts if part]


def _number(claim: Mapping[str, Any]) -> str:
    """The measured number with its interval."""
    return measured_text(claim["measured"], *claim["interval"]) or "–"


def _seed_rows(seeds: pd.DataFrame) -> list[dict[str, Any]]:
    """One row per line of the table, with its seeds' values in order."""
    rows: list[dict[str, Any]] = []
    table = seeds.assign(condition=seeds["condition"].fillna(""))
    for key, group in table.groupby(KEYS, sort=True, observed=True):
        names = dict(zip(KEYS, key, strict=True))
        steps = sorted(int(step) for step in group["step"].unique())
        pairs = zip(group["seed"].to_numpy(), group["value"].to_numpy(), strict=True)
        values = [(int(seed), f"{value:.2f}" if value < 100 else f"{value:,.0f}") for seed, value in pairs]
        rows.append({**names, "steps": ", ".join(f"{step:,}" for step in steps), "values": values})
    return rows
