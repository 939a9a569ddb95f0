"""Export: results with everything they were made from, as a zipped Provenance Run Crate (RO-Crate).

The same content gives the same bytes: entries are sorted, their times fixed, and dates come from manifests.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from fpc.core.files import atomic_path
from fpc.lineage.ancestry import ancestry
from fpc.lineage.crate.contents import SOURCE, ConfigurationFiles, Contents, CrateError, Item, collect
from fpc.lineage.crate.metadata import describe
from fpc.lineage.digests import Digests
from fpc.lineage.project import Project
from fpc.lineage.verdict import Finding, Verdict
from fpc.lineage.verify import verify

METADATA = "ro-crate-metadata.json"
STORED = (".parquet", ".png", ".safetensors")  # already compressed
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip can hold
CHUNK = 1 << 20


def export(
    target: Path,
    manifests: Iterable[Path],
    *,
    configuration_files: ConfigurationFiles,
    weights: bool = False,
    agent: str | None = None,
) -> Contents:
    """Write artifacts and all their ancestors to ``target`` atomically.

    Args:
        target: the zip file; an existing one is replaced.
        manifests: the artifacts' manifests, relative to the project's folder, which is the current one.
        configuration_files: returns the files of a results label: paper.yaml, its scale, its variant.
        weights: also pack weights and expert data; otherwise they are described by their digests.
        agent: who ran it, if that should be stated; manifests do not record it.

    Raises:
        CrateError: a file is missing or does not match its manifest, or the chain of manifests is broken.
        ManifestError: a manifest cannot be read.
    """
    contents = collect(sorted(set(manifests)), weights, configuration_files)
    metadata = describe(contents, agent)
    text = json.dumps(metadata, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    with atomic_path(target) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        with archive.open(_entry(METADATA), "w") as packed:
            packed.write(text.encode())
        archive.writestr(_entry(SOURCE), b"")
        for item in contents.packed():
            _pack(archive, item)
    return contents


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, EPOCH)
    entry.create_system = 3  # Unix, whose permissions follow
    entry.external_attr = (0o40755 if name.endswith("/") else 0o100644) << 16
    stored = name.endswith(STORED)
    entry.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
    return entry


def _pack(archive: zipfile.ZipFile, item: Item) -> None:
    """Copy a file into the archive and check its digest."""
    assert item.source is not None
    digest = hashlib.sha256()
    entry = _entry(item.name)
    entry.file_size = item.size
    with item.source.open("rb") as file, archive.open(entry, "w") as packed:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            packed.write(chunk)
    if digest.hexdigest() != item.sha256:
        raise CrateError(
            f"{item.source} is not the file that was made (sha256 differs); restore it, or make it again"
        )


def not_current(manifests: Iterable[Path], projects: Mapping[str, Project]) -> list[Finding]:
    """Artifacts and ancestors that are stale or tampered, tampered ones and distant ancestors first."""
    everything = list(dict.fromkeys(path for manifest in manifests for path in ancestry(manifest)))
    found = verify(reversed(everything), projects, digests=Digests())
    wrong = [one for one in found if one.verdict in (Verdict.STALE, Verdict.TAMPERED)]
    return sorted(wrong, key=lambda one: one.verdict != Verdict.TAMPERED)
