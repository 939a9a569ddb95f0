"""The structure of a manifest: types of everything read from one, so that users need not check again."""

from __future__ import annotations

import json
from math import isinf
from typing import Annotated, Any, NoReturn

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictInt, StringConstraints

# No control characters, no text-direction marks, no surrogates.
Text = Annotated[str, StringConstraints(strict=True, pattern=r"^[^\p{C}\p{Zl}\p{Zp}]+$")]
Sha256 = Annotated[str, StringConstraints(strict=True, pattern=r"^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="allow")


class Digest(_Part):
    """Digests of a file."""

    sha256: Sha256


class Subject(_Part):
    """A file of the artifact."""

    name: Text
    digest: Digest
    size: Annotated[StrictInt, Field(ge=0)]


class Dependency(_Part):
    """A parent or an external input."""

    uri: Text
    digest: Digest


class RunName(BaseModel):
    """The row of the run table."""

    model_config = ConfigDict(extra="forbid")

    label: Text
    phase: Text
    experiment: Text | None = None
    method: Text | None = None
    seeds: list[StrictInt] | None = None
    name: Text | None = None


class Parameters(_Part):
    """What was requested."""

    run: RunName
    section: dict[str, Any]
    section_sha256: Sha256


class Definition(_Part):
    """What was requested, and from what inputs."""

    buildType: str
    externalParameters: Parameters
    resolvedDependencies: list[Dependency]


class Code(_Part):
    """The code that made it."""

    modules: dict[Text, Sha256]
    commit: Text | None = None


class Builder(_Part):
    """The program that made it."""

    code: Code


class Metadata(_Part):
    """When it was made, and how long it took."""

    startedOn: Annotated[str, Field(strict=True)] | None = None
    finishedOn: Annotated[str, Field(strict=True)]
    seconds: Annotated[float, Field(strict=True)] | None = None
    steps: StrictInt | None = None
    attempts: StrictInt | None = None


class Details(_Part):
    """How it was made."""

    builder: Builder
    metadata: Metadata
    environment: dict[str, Any]


class Predicate(_Part):
    """The provenance."""

    buildDefinition: Definition
    runDetails: Details


def _named_once(subjects: list[Subject]) -> list[Subject]:
    if len({item.name for item in subjects}) < len(subjects):
        raise ValueError("a file is named twice")
    return subjects


class Statement(_Part):
    """An in-toto statement of this project."""

    subject: Annotated[list[Subject], AfterValidator(_named_once)]
    predicate: Predicate


def parse(text: str) -> dict[str, Any]:
    """Parse a manifest and check its structure.

    Raises:
        ValueError: it is not JSON, or has another structure; the text names the first wrong key.
        RecursionError: it is nested too deeply.
    """
    statement: dict[str, Any] = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    Statement.model_validate(statement)
    return statement


def _finite(number: str) -> float:
    value = float(number)
    if isinf(value):  # 1e999
        _refuse(number)
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number")
