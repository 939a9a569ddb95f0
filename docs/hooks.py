"""Lets pages show figures of `results/` by the path that also works where the page is read as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

FIGURES = Path("results/laptop/figures")


def on_files(files: Files, *, config: Any) -> Files:
    """Add the committed figures to the site."""
    root = Path(config.config_file_path).parent
    for picture in sorted([*(root / FIGURES).glob("*.png"), *(root / FIGURES).glob("*.gif")]):
        name = (FIGURES / picture.name).as_posix()
        files.append(File.generated(config, name, abs_src_path=str(picture)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """``../results/`` leads out of the documentation's folder; in the site figures lie beside it."""
    return markdown.replace("](../results/", "](results/")
