"""A ``*.dvc`` file for tests, as ``fpc record`` would write one."""

from __future__ import annotations

from pathlib import Path

from ruamel.yaml import YAML

from fpc.core.files import sha256_of
from fpc.lineage.digests import Digests

WEIGHTS = Path("weights/one.dvc")


def record_weights(*outputs: Path, root: Path = Path()) -> None:
    """Record files and folders that are here, with their manifests; paths as DVC has them, below ``root``."""
    outs = []
    for path in outputs:
        file = root / path
        inside = [item for item in file.rglob("*") if item.is_file()] if file.is_dir() else [file]
        size = sum(item.stat().st_size for item in inside)
        outs.append({"path": path.as_posix(), "hash": "md5", "md5": Digests(None).md5(file), "size": size})
    manifests = {(path.parent / "manifest.json").as_posix() for path in outputs}
    content = {
        "outs": outs,
        "meta": {"manifests": {path: sha256_of(root / path) for path in sorted(manifests)}},
    }
    (root / WEIGHTS).parent.mkdir(exist_ok=True)
    YAML().dump(content, root / WEIGHTS)
