"""What `fpc audit verify --json` prints, as types; ``audit.schema.json`` is made from them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Literal

from pydantic import BaseModel, Field

from fpc.lineage.verdict import Finding, Verdict

AUDIT_SCHEMA: Literal["urn:fpc:audit:v1"] = "urn:fpc:audit:v1"


class HeavyFilesReport(BaseModel):
    """Numbers of an artifact's files that git does not hold: weights, recordings, expert data."""

    here: int = Field(ge=0, description="Kept by DVC, and here.")
    to_fetch: int = Field(ge=0, description="Not here; `dvc pull` fetches them.")
    not_kept: int = Field(ge=0, description="Not here; `record` in the configuration does not keep them.")


class FindingReport(BaseModel):
    """The verdict on one artifact."""

    artifact: str = Field(
        description="Path of its manifest, relative to the project; of a file or folder without one, its own."
    )
    verdict: Verdict = Field(description="From best to worst, in the order of the allowed values.")
    reasons: list[str] = Field(description="For people; those of the verdict first. The wording may change.")
    heavy_files: HeavyFilesReport = Field(description="What is here of its weights and data.")


class AuditReport(BaseModel):
    """The output of `fpc audit verify --json`."""

    schema_: Literal["urn:fpc:audit:v1"] = Field(
        alias="schema", description="Name and version of this format."
    )
    findings: list[FindingReport] = Field(description="One for each artifact, in no particular order.")


def audit_report(findings: Iterable[Finding]) -> AuditReport:
    """The report of an audit."""
    return AuditReport(
        schema=AUDIT_SCHEMA,
        findings=[
            FindingReport(
                artifact=str(item.artifact),
                verdict=item.verdict,
                reasons=list(item.reasons),
                heavy_files=HeavyFilesReport(**asdict(item.heavy)),
            )
            for item in findings
        ],
    )
