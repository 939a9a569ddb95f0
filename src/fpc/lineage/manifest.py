"""Manifests: in-toto statements (v1) with an SLSA-style provenance predicate (v1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fpc.core.errors import UserError
from fpc.core.file_errors import remedy_of
from fpc.core.files import digest_of, sha256_of
from fpc.lineage import origin
from fpc.lineage.artifact import is_heavy
from fpc.lineage.manifest_schema import parse

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:fpc:phase:v1"


class ManifestError(UserError):
    """A manifest is missing, unreadable or not one of this project."""


class UnreadableManifest(ManifestError):
    """A manifest is there, or may be, but cannot be read, which says nothing about its content."""


@dataclass(frozen=True)
class Manifest:
    """A manifest as read from its file."""

    path: Path
    statement: Mapping[str, Any]

    @cached_property
    def subjects(self) -> dict[str, str]:
        """File (relative to the manifest's folder) -> sha256."""
        return {item["name"]: item["digest"]["sha256"] for item in self.statement["subject"]}

    @property
    def definition(self) -> Mapping[str, Any]:
        """What was requested: phase, run, configuration section, parents."""
        definition: Mapping[str, Any] = self.statement["predicate"]["buildDefinition"]
        return definition

    @property
    def details(self) -> Mapping[str, Any]:
        """How it was made: code, environment, times."""
        details: Mapping[str, Any] = self.statement["predicate"]["runDetails"]
        return details

    @property
    def run(self) -> Mapping[str, Any]:
        """The row it belongs to: label, phase, and, where present, experiment, method, seeds, name."""
        run: Mapping[str, Any] = self.definition["externalParameters"]["run"]
        return run

    @property
    def has_digest(self) -> bool:
        """Whether it names a digest of itself; the earliest manifests did not."""
        return "statement_sha256" in self.statement

    @property
    def is_intact(self) -> bool:
        """Whether the statement matches the digest it names (a manifest without one is accepted)."""
        body = dict(self.statement)
        named = body.pop("statement_sha256", None)
        return named is None or named == digest_of(body)

    @property
    def section_digest(self) -> str:
        """sha256 of the configuration section it was made with."""
        return str(self.definition["externalParameters"]["section_sha256"])

    @cached_property
    def parents(self) -> dict[str, str]:
        """Parent manifest's path -> its sha256 when the artifact was made."""
        return {uri: digest for uri, digest in self._dependencies().items() if uri.endswith("manifest.json")}

    @property
    def externals(self) -> dict[str, str]:
        """Address of each external input (or name of a file obtained by hand) -> sha256."""
        return {
            uri: digest for uri, digest in self._dependencies().items() if not uri.endswith("manifest.json")
        }

    def _dependencies(self) -> dict[str, str]:
        return {item["uri"]: item["digest"]["sha256"] for item in self.definition["resolvedDependencies"]}


def heavy_sizes(manifest: Manifest) -> dict[str, int]:
    """Name -> bytes of the artifact's files that git does not hold."""
    items = manifest.statement["subject"]
    return {item["name"]: item["size"] for item in items if is_heavy(item["name"])}


def subject(folder: Path, files: Iterable[Path]) -> list[dict[str, Any]]:
    """Name (path below ``folder``), sha256 and size of each file."""
    return [
        {
            "name": path.relative_to(folder).as_posix(),
            "digest": {"sha256": sha256_of(path)},
            "size": path.stat().st_size,
        }
        for path in sorted(files)
    ]


def build(
    *,
    run: Mapping[str, Any],
    section: Mapping[str, Any],
    subjects: list[dict[str, Any]],
    parents: Mapping[Path, str],
    externals: Mapping[str, str],
    history: Mapping[str, Any],
    code: origin.Code,
    devices: Sequence[str] = (),
) -> dict[str, Any]:
    """The statement of an artifact.

    Args:
        run: label, phase, experiment, method, seeds.
        section: the resolved configuration section.
        subjects: from ``subject``.
        parents: manifest -> sha256 of the artifacts it was made from, when they were read.
        externals: address -> sha256 of each external input.
        history: start, end, attempts, resume points, steps per second.
        code: the modules and packages that determined it.
        devices: names of the devices that networks were run on, as reported by what used them.
    """
    dependencies = [
        {"uri": path.as_posix(), "digest": {"sha256": digest}} for path, digest in sorted(parents.items())
    ]
    dependencies += [{"uri": uri, "digest": {"sha256": digest}} for uri, digest in sorted(externals.items())]
    statement: dict[str, Any] = {
        "_type": STATEMENT,
        "subject": subjects,
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "run": dict(run),
                    "section": dict(section),
                    "section_sha256": digest_of(section),
                },
                "resolvedDependencies": dependencies,
            },
            "runDetails": {
                "builder": {"id": "urn:fpc", "code": {**origin.repository(), "modules": dict(code.modules)}},
                "metadata": dict(history),
                "environment": origin.environment(code.packages),
                "machine": origin.machine(devices),
            },
        },
    }
    return {**statement, "statement_sha256": digest_of(statement)}


def read(path: Path) -> Manifest:
    """Read a manifest and check its structure.

    Raises:
        UnreadableManifest: the system does not let it be read.
        ManifestError: it is missing, not JSON or not a manifest of this project.
    """
    try:
        if not path.is_file():  # opening a pipe would block
            raise ManifestError(f"{path}: cannot be read ({'not a file' if path.exists() else 'not here'})")
        statement = parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:  # a job is replacing it
        raise ManifestError(f"{path}: cannot be read (not here)") from error
    except OSError as error:
        raise UnreadableManifest(f"the manifest cannot be read: {remedy_of(error) or error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "the whole"
        raise ManifestError(f"{path}: not a manifest of this project ({key}: {first['msg']})") from error
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"{path}: not a manifest of this project ({error})") from error
    manifest = Manifest(path, statement)
    if statement.get("_type") != STATEMENT or manifest.definition["buildType"] != BUILD_TYPE:
        raise ManifestError(f"{path}: not a manifest of this project (another type)")
    return manifest
