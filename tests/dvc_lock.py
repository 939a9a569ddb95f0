"""A ``dvc.lock`` for tests, as DVC would write one."""

from __future__ import annotations

from pathlib import Path

from ruamel.yaml import YAML

from fpc.lineage.digests import Digests


def record_weights(*outputs: Path, root: Path = Path()) -> None:
    """Record files and folders that are here in ``dvc.lock``; paths as DVC writes them, below ``root``."""
    outs = []
    for path in outputs:
        file = root / path
        inside = [item for item in file.rglob("*") if item.is_file()] if file.is_dir() else [file]
        size = sum(item.stat().st_size for item in inside)
        outs.append({"path": path.as_posix(), "hash": "md5", "md5": Digests(None).md5(file), "size": size})
    content = {"schema": "2.0", "stages": {"one": {"cmd": "x", "outs": outs}}}
    YAML().dump(content, root / "dvc.lock")
