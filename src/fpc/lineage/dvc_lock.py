"""What DVC recorded of weights and data, held against the manifests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from fpc.core.errors import ConfigError
from fpc.lineage.artifact import is_heavy
from fpc.lineage.digests import Digests
from fpc.lineage.manifest import Manifest
from fpc.lineage.verdict import Check, Finding, Verdict

DVC_LOCK = Path("dvc.lock")
WEIGHTS = Path("weights")
MEND = "`dvc checkout` fetches what is recorded; if the one here is right, `fpc record` records it"


@dataclass(frozen=True)
class Output:
    """One output of a stage: a file, or a folder (``md5`` then ends in ``.dir``)."""

    path: Path
    md5: str
    size: int
    source: Path


def read_lock(lock: Path = DVC_LOCK, weights: Path = WEIGHTS) -> Mapping[Path, list[Output]]:
    """What ``dvc.lock`` and ``weights/**.dvc`` record, by the folder that holds it; empty without them.

    Raises:
        ConfigError: one of them is not a file of DVC.
    """
    found: dict[Path, list[Output]] = {}
    for source in [*([lock] if lock.exists() else []), *sorted(weights.rglob("*.dvc"))]:
        try:
            for out in read_outputs(source):
                if "md5" in out:
                    item = Output(Path(out["path"]), str(out["md5"]), int(out["size"]), source)
                    found.setdefault(item.path.parent, []).append(item)
        except (KeyError, TypeError, ValueError) as error:
            raise _unreadable(source, error) from error
    return found


def read_outputs(source: Path) -> list[Mapping[str, Any]]:
    """The outputs that a file of DVC's records: of every stage of ``dvc.lock``, or of one file ``*.dvc``.

    Raises:
        ConfigError: it is not a file of DVC.
    """
    try:
        content = YAML(typ="safe").load(source.read_text(encoding="utf-8"))
        stages = [content] if source.suffix == ".dvc" else list(content["stages"].values())
        return [dict(out) for stage in stages for out in stage.get("outs", ())]
    except (OSError, RecursionError, YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise _unreadable(source, error) from error


def _unreadable(source: Path, error: Exception) -> ConfigError:
    kind = "file" if source.suffix == ".dvc" else "lock file"
    return ConfigError(f"{source}: not a {kind} of DVC ({error}); restore it: git checkout {source}")


def holds(manifest: Manifest, name: str, recorded: Mapping[Path, list[Output]]) -> bool:
    """Whether ``dvc.lock`` records a file that DVC keeps, by size as the manifest has it.

    (Of what is not here, the md5 that DVC knows cannot be told from the sha256 that the manifest has.)
    """
    top = name.partition("/")[0]
    return is_heavy(name) and any(
        item.path.name in (name, top) and _size(manifest, item.path.name) == item.size
        for item in recorded.get(manifest.path.parent, ())
    )


def _size(manifest: Manifest, output: str) -> int:
    """Bytes of an output, a file or a folder, as the manifest has them."""
    named = ((item["name"], item["size"]) for item in manifest.statement["subject"])
    return sum(size for name, size in named if name == output or name.startswith(f"{output}/"))


def check(manifest: Manifest, recorded: Mapping[Path, list[Output]], digests: Digests) -> Check:
    """The manifest and ``dvc.lock`` name the same contents.

    Sizes are compared also of what is not here; contents (md5) of what is.
    """
    for item in recorded.get(manifest.path.parent, ()):
        name = item.path.name
        inside = [key for key in manifest.subjects if key == name or key.startswith(f"{name}/")]
        if not inside and manifest.path.name != "manifest.json":
            continue  # of a row that shares the folder
        if not inside:
            yield Verdict.STALE, f"{item.source} records {name}, which the manifest does not name; {MEND}"
        elif _size(manifest, name) != item.size:
            yield Verdict.STALE, f"{item.source} records another {name} (of another size); {MEND}"
        elif _is_whole(item.path, manifest) and digests.md5(item.path) != item.md5:
            yield Verdict.STALE, f"{item.source} records another {name} (md5 differs); {MEND}"


def _is_whole(path: Path, manifest: Manifest) -> bool:
    """Whether every file of an output is here; of a part of a folder DVC knows no digest."""
    files = (manifest.path.parent / name for name in manifest.subjects)
    return all(file.exists() for file in files if file == path or path in file.parents)


def folders(place: Path, recorded: Mapping[Path, list[Output]], digests: Digests) -> Iterator[Finding]:
    """Outputs of several artifacts, below an audited place, that differ from what ``dvc.lock`` names."""
    for item in (item for items in recorded.values() for item in items):
        if (item.path.parent / "manifest.json").is_file() or not item.path.is_relative_to(place):
            continue  # ``check`` sees the former
        if item.path.exists() and not item.path.is_symlink() and digests.md5(item.path) != item.md5:
            yield Finding(item.path, Verdict.STALE, (f"{item.source} records another content; {MEND}",))
