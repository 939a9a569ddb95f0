"""An artifact's identity: its row of the run table, its location, and the command that makes it."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

RESULTS = Path("results")
RUN_PHASES = ("pretrain", "collect", "finetune", "evaluate")
PHASES = (*RUN_PHASES, "figure", "claims", "report")
FIGURE_SUFFIXES = (".svg", ".png", ".csv")
GAMES = "games/"  # recorded ones, in a folder
SEEDS = re.compile(r"(?:seeds?_)?([0-9]{1,6})(?:-([0-9]{1,6}))?")


@dataclass(frozen=True)
class Row:
    """One artifact. ``name`` is a figure's name, or the phase for claims and the report."""

    label: str
    phase: str
    experiment: str | None = None
    method: str | None = None
    seeds: tuple[int, ...] = ()
    name: str | None = None

    @property
    def folder(self) -> Path:
        """The folder of the artifact's files."""
        return self.manifest.parent

    @property
    def manifest(self) -> Path:
        """The artifact's manifest: ``manifest.json`` in its own folder, else ``<name>.manifest.json``."""
        return _manifest(self)

    @property
    def shown_by(self) -> tuple[Path, ...]:
        """The files that show that the artifact is made: its manifest, and a figure's images and data."""
        if self.phase != "figure":
            return (self.manifest,)
        return (self.manifest, *(self.folder / f"{self.name}{suffix}" for suffix in FIGURE_SUFFIXES))

    @property
    def title(self) -> str:
        """A readable title of the row."""
        parts = [self.phase, self.experiment, self.method, self.name if self.name != self.phase else None]
        words = " ".join(part for part in parts if part)
        return f"{words} {seeds_name(self.seeds)}".strip() if self.seeds else words

    @property
    def identity(self) -> dict[str, Any]:
        """The row as JSON values, without empty ones."""
        return {key: value for key, value in asdict(self).items() if value not in (None, ())}


@cache  # the audit asks for the paths of thousands of rows repeatedly
def _manifest(row: Row) -> Path:
    parts: list[str | None]
    if row.experiment is None:
        parts = ["figures"] if row.phase == "figure" else []
    else:
        parts = [row.experiment, row.phase, row.method, seeds_name(row.seeds)]
    name = "manifest.json" if row.name is None else f"{row.name}.manifest.json"
    return RESULTS.joinpath(row.label, *(part for part in parts if part is not None), name)


def scale_and_variant(label: str) -> tuple[str, str | None]:
    """Scale and variant of a results label: 'laptop+clarified' is variant 'clarified' of scale 'laptop'."""
    scale, _, variant = label.partition("+")
    return scale, variant or None


def label_of(scale: str, variant: str | None) -> str:
    """Folder name under ``results/``: the scale, and the variant if there is one."""
    return scale if variant is None else f"{scale}+{variant}"


def seeds_name(seeds: tuple[int, ...]) -> str:
    """'seed_3' or 'seeds_0-19'."""
    return f"seed_{seeds[0]}" if len(seeds) == 1 else f"seeds_{seeds[0]}-{seeds[-1]}"


def parse_seeds(text: str) -> tuple[int, ...]:
    """Parse seeds from '3', '0-19', 'seed_3' or 'seeds_0-19'.

    Raises:
        ValueError: the text is none of these.
    """
    found = SEEDS.fullmatch(text)
    seeds = () if found is None else tuple(range(int(found[1]), int(found[2] or found[1]) + 1))
    if not seeds:
        raise ValueError(f"'{text}' contains no seed")
    return seeds


def command(row: Row) -> str:
    """The shell command that makes a row."""
    scale, variant = scale_and_variant(row.label)
    words = ["fpc", row.phase, f"--scale={scale}"]
    words += [f"--variant={variant}"] if variant else []
    words += [f"--experiment={row.experiment}"] if row.experiment else []
    words += [f"--method={row.method}"] if row.method else []
    if row.seeds:
        words.append(f"--seeds={row.seeds[0]}" + (f"-{row.seeds[-1]}" if len(row.seeds) > 1 else ""))
    words += [f"--name={row.name}"] if row.phase == "figure" else []
    return " ".join(words)


def is_heavy(name: str) -> bool:
    """Whether this file of an artifact is kept by DVC instead of git, so that a clone may lack it."""
    return name.endswith(".safetensors") or name.startswith(GAMES)


def is_read(phase: str, parent: Row, name: str) -> bool:
    """Whether a phase reads this heavy file of a parent.

    The games that pi* was cloned from are many, and `collect` takes from them what later phases need. (Where
    it lists them instead, the phase that reads the list says that they are not here.)
    """
    return phase == "collect" or parent.phase != "pretrain" or not name.startswith(GAMES)
