"""What `fpc status --json` prints, as types; ``status.schema.json`` is made from them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, Field

from fpc.workflow.status import RunState

STATUS_SCHEMA: Literal["urn:fpc:status:v1"] = "urn:fpc:status:v1"
State = Literal["waiting", "running", "interrupted", "failed", "done", "stale", "unverified"]


class RunReport(BaseModel):
    """One artifact of the run table; keys without a value are left out."""

    label: str = Field(description="Folder in `results/`: the scale, or `<scale>+<variant>`.")
    phase: str = Field(description="pretrain, collect, finetune, evaluate, figure, claims or report.")
    experiment: str | None = Field(default=None, description="Name in the configuration; runs only.")
    method: str | None = Field(
        default=None, description="Retention method of finetune and evaluate; `pi_star` where it is measured."
    )
    seeds: list[int] | None = Field(default=None, description="Seeds that the run trains; runs only.")
    name: str | None = Field(default=None, description="A figure's name; the phase for claims and report.")
    state: State = Field(description="What is known from files alone.")
    step: int | None = Field(default=None, description="Steps done, in the unit of the run's progress.")
    total: int | None = Field(default=None, description="Steps to do.")
    steps_per_second: float | None = Field(default=None, description="Speed.")
    seconds_left: float | None = Field(default=None, description="At this speed; open runs only.")
    attempts: int | None = Field(default=None, description="How often the run was started.")
    last_return: float | None = Field(
        default=None, description="Last reported return; null if it is not a number."
    )
    heartbeat: str | None = Field(
        default=None,
        description="Time of the last progress report (ISO 8601, UTC); open runs only.",
        json_schema_extra={"format": "date-time"},
    )
    ended: str | None = Field(
        default=None, description="How the last attempt ended, if recorded. The wording may change."
    )
    other: str | None = Field(
        default=None,
        description="Folder with state of another configuration or version; the run does not continue it.",
    )


class StatusReport(BaseModel):
    """The output of `fpc status --json`."""

    schema_: Literal["urn:fpc:status:v1"] = Field(
        alias="schema", description="Name and version of this format."
    )
    label: str = Field(description="Folder in `results/`: the scale, or `<scale>+<variant>`.")
    runs: list[RunReport] = Field(description="Every artifact of the run table, parents before children.")


def status_report(label: str, states: Iterable[RunState]) -> StatusReport:
    """The report of a scale's runs."""
    return StatusReport(
        schema=STATUS_SCHEMA, label=label, runs=[RunReport(**state.as_dict()) for state in states]
    )
