"""Imports the extensions that a configuration lists, so that a broken file is one message at the start."""

from __future__ import annotations

import ast
import traceback
from collections.abc import Sequence
from pathlib import Path

from fpc import extensions
from fpc.domains.registry import load_domain
from fpc.retention.registry import load_method


def use_extensions(listed: Sequence[str]) -> None:
    """Make files and folders importable, and import each method and each domain.

    Raises:
        ValueError: one cannot be used or imported; those that were in use before still are, and no other.
    """
    before = extensions.paths()
    extensions.use(listed)
    for text in listed:
        path = Path(text)
        files = [path] if path.suffix == ".py" else sorted(path.glob("*.py"))
        try:
            for file in files:
                ast.parse(file.read_bytes(), file)
            if path.suffix == ".py":
                load_method(path.stem)
            else:
                load_domain(path.name)
        except (Exception, SystemExit) as error:
            extensions.use_only(before)
            place, remedy = place_in(error, files) or text, "correct it, or remove it from the list"
            raise ValueError(f"{place} cannot be imported: {in_words(error)}; {remedy}") from error


def place_in(error: BaseException, files: Sequence[Path]) -> str | None:
    """The one of these files, with the line, in which an exception was raised last; None if in none."""
    if isinstance(error, SyntaxError) and Path(error.filename or "") in files:
        return f"{error.filename}:{error.lineno}"
    own = {file.resolve(): file for file in files}
    frames = traceback.extract_tb(error.__traceback__)
    found = [(Path(frame.filename).resolve(), frame.lineno) for frame in frames]
    places = [f"{own[file]}:{line}" for file, line in found if file in own]
    return places[-1] if places else None


def in_words(error: BaseException, with_type: bool = True) -> str:
    """An exception's type and text in one line."""
    text = " ".join(str(error).split())
    name = type(error).__name__
    if not with_type:
        return text or name
    return f"{name}: {text}" if text else name
