"""Provenance embedded in a figure's files, so that a single file can be traced.

SVG and PNG hold a description (JSON) with the command that drew them and the plotted data's digest;
the CSV has both in its column ``source``.
"""

from __future__ import annotations

import csv
import hashlib
import html
import json
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

SOURCE = "source"
SEPARATORS = (",", ";", "\t")
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


class Altered(ValueError):
    """A copy of a figure's data whose rows are not those it says it was written with."""


def read_source(path: Path) -> tuple[str, str]:
    """Read the command and the digest of the plotted data from a figure's file.

    Raises:
        Altered: it is a CSV whose rows were altered.
        ValueError: it is not a figure of this project.
    """
    reader = {".svg": _of_svg, ".png": _of_png, ".csv": _of_csv}.get(path.suffix.lower())
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
    header, *rows = _rows(path)
    if not rows or header[-1:] != [SOURCE]:
        raise KeyError(SOURCE)
    source = rows[0][-1]
    match = _IN_CSV.fullmatch(source)
    if match is None:
        raise KeyError(SOURCE)
    # Without the last column, the content is what was hashed, however the file separates and quotes.
    lines = StringIO(newline="")
    csv.writer(lines, lineterminator="\n").writerows(row[:-1] for row in [header, *rows])
    same = all(row[-1] == source for row in rows)
    if not same or hashlib.sha256(lines.getvalue().encode()).hexdigest() != match["digest"]:
        raise Altered(
            f"{path}: altered: its rows are not those it was written with (a spreadsheet may have rounded "
            "numbers, or written them in its own way, such as with a decimal comma)"
        )
    return match["command"], match["digest"]


def _rows(path: Path) -> list[list[str]]:
    """Rows of a CSV as written here or saved again by a spreadsheet, which may change more than the data.

    A byte-order mark, UTF-16, CR LF, semicolons or tabs as separators, and other quotes are all read.

    Raises:
        ValueError: the text is in another encoding.
    """
    content = path.read_bytes()
    encoding = "utf-16" if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8; save it as CSV in UTF-8") from error
    header = text.partition("\n")[0].rstrip("\r").replace('"', "")
    separator = header.removesuffix(SOURCE)[-1:]
    if separator not in SEPARATORS:
        raise KeyError(SOURCE)
    return [row for row in csv.reader(StringIO(text, newline=""), delimiter=separator) if row]
