"""Lets pages show figures of `results/` by the path that also works where the page is read as a file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

FIGURES = "results/laptop*/figures"  # of the scale and of its variants
OUTSIDE = re.compile(r"\]\(\.\./((?:\.\./)*results/)")


def on_files(files: Files, *, config: Any) -> Files:
    """Add the committed figures to the site."""
    root = Path(config.config_file_path).parent
    for picture in sorted([*root.glob(f"{FIGURES}/*.png"), *root.glob(f"{FIGURES}/*.gif")]):
        name = picture.relative_to(root).as_posix()
        files.append(File.generated(config, name, abs_src_path=str(picture)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """``results/`` is outside the documentation's folder, and one level higher than in the site."""
    return OUTSIDE.sub(r"](\1", markdown)
