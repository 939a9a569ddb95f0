"""Recognises what people often get in place of a file: a web page, a pointer to the file, nothing."""

from __future__ import annotations

import zipfile
from pathlib import Path

START = 1024  # bytes read
PAGES = (b"<!doctype html", b"<html", b"<?xml version")
LFS = b"version https://git-lfs.github.com/spec/"
PICKLE = (b"\x80\x02", b"\x80\x03", b"\x80\x04")  # how files of torch before 1.6 begin
ZIP = b"PK"


def placeholder(path: Path) -> str | None:
    """What a file is in place of its content ("a web page"); None if it may be the content itself.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(START)
    if not start:
        return "an empty file"
    if start.startswith(LFS):
        return "a Git LFS pointer, not the file that it stands for (git lfs pull fetches that)"
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(PAGES):
        return "a web page"
    if not any(start):
        return "a file of zeros, as an interrupted transfer or a full disk leaves it"
    return None


def not_a_checkpoint(path: Path) -> str | None:
    """What a file is if it was not written by ``torch.save``; None if it was. Nothing in it is executed.

    Raises:
        OSError: it cannot be read.
    """
    if (found := placeholder(path)) is not None:
        return found
    with path.open("rb") as file:
        start = file.read(2)
    if start in PICKLE:
        return None
    if not zipfile.is_zipfile(path):
        return "a truncated file" if start == ZIP else "not a checkpoint of torch"
    with zipfile.ZipFile(path) as archive:
        has_data = any(name.endswith("/data.pkl") for name in archive.namelist())
    return None if has_data else "a zip file without a checkpoint of torch"
