"""Checks what a run made, and moves it to its artifact's folder, which may be on another disk."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterable
from pathlib import Path

from fpc.core.errors import UserError
from fpc.core.files import atomic_path, read_tensors
from fpc.lineage.artifact import Row
from fpc.lineage.places import check_kinds
from fpc.lineage.signing import signature_of


class Diverged(UserError):
    """Training left weights that are not finite; the text names the file, and what to change."""


def check_finite(weights: Iterable[Path], title: str) -> None:
    """Check that trained weights are finite: a policy of NaNs can be evaluated, and its success looks real.

    Args:
        weights: safetensors files of the run.
        title: of the run.

    Raises:
        Diverged: a number is NaN or infinite; the text names the first file with one.
    """
    for path in sorted(weights, key=lambda path: (len(path.name), path.name)):  # step_500 before step_1000
        for name, value in read_tensors(path).items():
            wrong = int((~value.isfinite()).sum())
            if wrong:
                raise Diverged(
                    f"{title}: {wrong} of {value.numel()} numbers of {name} in {path.name} are not finite, "
                    "so training diverged. Causes: a learning rate or coefficient that is too large, or a "
                    "retention method's penalty that is not finite at some update. Its state was removed; "
                    "change the cause and run it again"
                )


def replace_folder(output: Path, target: Path) -> None:
    """Replace ``target`` by ``output``; the old folder is kept until the new one is in place.

    If they are on different disks, ``output`` is copied beside ``target`` first and stays where it is.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        _exchange(output, target, output.parent / "retired")
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        copy = target.with_name(f".{target.name}.new")
        try:
            _copy_folder(output, copy)
            _exchange(copy, target, target.with_name(f".{target.name}.old"))
        finally:
            shutil.rmtree(copy, ignore_errors=True)


def replace_files(output: Path, row: Row) -> None:
    """Move files into a folder shared with other rows; the manifest comes last.

    Raises:
        ConfigError: there is a folder in the place of a file; nothing was replaced.
    """
    names = sorted((path.name for path in output.iterdir()), key=row.manifest.name.__eq__)
    check_kinds([*(row.folder / name for name in names), signature_of(row.manifest)])
    row.folder.mkdir(parents=True, exist_ok=True)
    row.manifest.unlink(missing_ok=True)
    signature_of(row.manifest).unlink(missing_ok=True)
    for name in names:
        _move_file(output / name, row.folder / name)


def _exchange(new: Path, target: Path, retired: Path) -> None:
    """Move ``new`` to ``target``, and an old ``target`` out of the way; all are on one disk."""
    shutil.rmtree(retired, ignore_errors=True)
    if target.exists():
        target.rename(retired)
    new.rename(target)
    shutil.rmtree(retired, ignore_errors=True)


def _copy_folder(folder: Path, copy: Path) -> None:
    """Copy a folder and have the copy on the disk."""
    shutil.rmtree(copy, ignore_errors=True)
    for path in sorted(folder.rglob("*")):
        target = copy / path.relative_to(folder)
        if path.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        else:
            _copy_file(path, target)


def _copy_file(file: Path, target: Path) -> None:
    with atomic_path(target) as copy:
        shutil.copyfile(file, copy)


def _move_file(file: Path, target: Path) -> None:
    try:
        file.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy_file(file, target)
