"""A variant's file and the copy of a method's: held by one process at a time, put back after a plan."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import Timeout

from fpc.config.names import RULE, is_name
from fpc.core.errors import ConfigError
from fpc.extensions import RESERVED
from fpc.lineage.artifact import RESULTS
from fpc.lineage.places import project_path
from fpc.workflow.loader import VARIANTS
from fpc.workflow.restoring import put, restored, restored_after_error
from fpc.workflow.run_lock import acquired, empty, remove_empty

TRIALS, COPIES = RESULTS / ".trials", ".copies"  # locks


def path_of(variant: str) -> Path:
    """The variant's file."""
    return VARIANTS / f"{variant}.yaml"


def method_in_project(path: Path) -> Path:
    """Where the variant finds a method's file: where it is in the project, else a copy beside the variant."""
    inside = project_path(path)
    return VARIANTS / path.name if inside is None else inside


@contextmanager
def held(variant: str) -> Iterator[None]:
    """Within the block, no other trial or plan changes the variant's files.

    Raises:
        ConfigError: the name is none, or another process is at work on the variant.
    """
    if not is_name(variant):
        raise ConfigError(f"--name {variant}: {RULE}")
    if variant.lower() in RESERVED:
        raise ConfigError(f"--name {variant}: this word means something else in YAML or CSV; choose another")
    with _locked(TRIALS / variant, f"variant {variant} is at work; wait for it, or choose another --name"):
        yield


@contextmanager
def copy_held(file: Path) -> Iterator[None]:
    """Within the block, no other trial or plan puts a copy in this place or removes it.

    Raises:
        ConfigError: another process is about to.
    """
    with _locked(TRIALS / COPIES / file.name, f"{file.name} is being prepared; repeat this command"):
        yield


@contextmanager
def _locked(folder: Path, problem: str) -> Iterator[None]:
    try:
        lock = acquired(folder)
    except Timeout as error:
        raise ConfigError(f"a trial or plan of {problem}") from error
    try:
        yield
    finally:
        empty(folder)
        lock.release()
        for made in (folder, TRIALS / COPIES, TRIALS):
            remove_empty(made)  # unless another trial is at work


@contextmanager
def put_back(variant: str, path: Path, file: Path) -> Iterator[None]:
    """After the block, the variant's file and the copy of a method from elsewhere are what they were before.

    Args:
        variant: name of the variant.
        path: the method's file as it was given.
        file: where the variant finds it, from ``method_in_project``.
    """
    touched = [path_of(variant), *([] if file.resolve() == path.resolve() else [file])]
    with restored(*touched):
        yield


@contextmanager
def copied(path: Path, file: Path) -> Iterator[None]:
    """Within the block, a method's file is in the project; after an error, what was there before.

    Args:
        path: the file as it was given.
        file: where the variant finds it, from ``method_in_project``.
    """
    if file.resolve() == path.resolve():
        yield
        return
    with restored_after_error(file):
        put(file, path.read_bytes())
        try:
            yield
        except ConfigError as error:
            names = re.compile("|".join(re.escape(str(name)) for name in (file.resolve(), file)))
            raise ConfigError(names.sub(lambda _: str(path), str(error))) from error
