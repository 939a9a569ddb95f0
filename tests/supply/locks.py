"""Lock files as pip reads them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCKS = [ROOT / f"requirements{part}.lock" for part in ("", "-cpu", "-cuda")]


def blocks(lock: Path) -> dict[str, str]:
    """Name -> the lines of one requirement, comments left out."""
    text = re.sub(r"^ *#.*\n", "", lock.read_text(encoding="utf-8"), flags=re.MULTILINE)
    found = re.split(r"(?<!\\)\n", text.strip())
    return {block.partition("==")[0]: block for block in found}


def versions(lock: Path) -> dict[str, str]:
    """Name -> version of each requirement."""
    found = {}
    for name, block in blocks(lock).items():
        match = re.match(r"\S+==(\S+)", block)
        assert match, block
        found[name] = match[1]
    return found
