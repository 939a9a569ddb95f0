"""Provenance embedded in a figure's files, so that a single file can be traced.

SVG and PNG hold a description (JSON) with the command that drew them and the plotted data's digest;
the CSV has both in its column ``source``.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

SOURCE = "source"
_IN_CSV = re.compile(r"(?P<command>fpc figure .+) sha256:(?P<digest>[0-9a-f]{64})")
_IN_SVG = re.compile(r"<dc:description>(.*?)</dc:description>", re.DOTALL)


def csv_text(data: pd.DataFrame) -> str:
    """The table as CSV: no index, eight digits."""
    return data.to_csv(index=False, float_format="%.8g", lineterminator="\n")


def content_digest(data: pd.DataFrame) -> str:
    """sha256 of the plotted data as CSV, without the column ``source``."""
    return hashlib.sha256(csv_text(data).encode()).hexdigest()


def source_of(command: str, digest: str) -> str:
    """The value of the column ``source``."""
    return f"{command} sha256:{digest}"


def read_source(path: Path) -> tuple[str, str]:
    """Read the command and the digest of the plotted data from a figure's file.

    Raises:
        ValueError: it is not a figure of this project, or a CSV whose rows were altered.
    """
    reader = {".svg": _of_svg, ".png": _of_png, ".csv": _of_csv}.get(path.suffix)
    if reader is None:
        raise ValueError(f"{path}: give a figure's .svg, .png or .csv")
    try:
        return reader(path)
    except (KeyError, IndexError, TypeError, OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: says nothing of where it comes from; no figure of this project") from error


def _described(text: str) -> tuple[str, str]:
    found = json.loads(text)
    return _text(found["Source"]), _text(found["Content"])


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _of_svg(path: Path) -> tuple[str, str]:
    match = _IN_SVG.search(path.read_text(encoding="utf-8"))
    return _described(html.unescape(match[1] if match else ""))


def _of_png(path: Path) -> tuple[str, str]:
    from PIL import Image

    with Image.open(path) as image:
        return _described(str(image.info["Description"]))


def _of_csv(path: Path) -> tuple[str, str]:
    import csv

    with path.open(encoding="utf-8", newline="") as file:
        lines_read = [row for row in csv.reader(file, strict=False) if row]
    if len(lines_read) < 2 or lines_read[0][-1] != SOURCE:
        raise KeyError(SOURCE)
    rows = lines_read[1:]
    match = _IN_CSV.fullmatch(rows[0][-1])
    if match is None:
        raise KeyError(SOURCE)
    # Every row ends with the same unquoted text; without it, the content is what was hashed.
    ending = f",{rows[0][-1]}"
    lines = path.read_text(encoding="utf-8").splitlines()
    text = "".join(
        f"{line.removesuffix(ending)}\n" for line in [lines[0].removesuffix(f",{SOURCE}"), *lines[1:]]
    )
    if hashlib.sha256(text.encode()).hexdigest() != match["digest"]:
        raise ValueError(f"{path}: altered: its rows are not those it was written with")
    return match["command"], match["digest"]
