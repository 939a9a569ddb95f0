"""What ``snakemake --config`` may say: a scale, a variant, and an experiment for the target ``tables``."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from fpc.core.errors import ConfigError, unknown

KEYS = ("scale", "variant", "experiment")


def choices(config: Mapping[str, Any], others: Collection[str] = ()) -> dict[str, str]:
    """Snakemake's ``config``, checked; it comes from ``--config`` and ``--configfile``, also of a profile.

    Args:
        config: what Snakemake read.
        others: further keys, which are not looked at.

    Raises:
        ConfigError: a key is unknown, or a value is empty or not a name.
    """
    chosen = {key: value for key, value in config.items() if key not in others}
    for key, value in chosen.items():
        if key not in KEYS:
            raise ConfigError(
                f"--config or --configfile: {unknown('key', str(key), (*KEYS, *others))} "
                "Values of the configuration are changed in configs/."
            )
        if value in (None, ""):
            raise ConfigError(f"--config {key}= is empty; name the {key}, or leave the key out")
        if not isinstance(value, str):
            read_as = type(value).__name__
            raise ConfigError(f"--config {key}: Snakemake reads {value!r} ({read_as}); give one name")
    return chosen


def check_given_once(words: Sequence[str]) -> None:
    """Check the words of a ``snakemake`` command: of several ``--config`` Snakemake keeps the last alone.

    Raises:
        ConfigError: ``--config`` is given twice.
    """
    if sum(word in ("--config", "-C") or word.startswith("--config=") for word in words) > 1:
        raise ConfigError(
            "--config is given twice, and Snakemake would forget the first; put all after one: "
            "--config scale=laptop variant=trial"
        )


def check_folder(folder: Path) -> None:
    """Check that Snakemake can work in a folder: with braces in its path it would find no locks.

    Raises:
        ConfigError: it cannot.
    """
    if any(character in str(folder) for character in "{}\n"):
        raise ConfigError(
            f"{folder}: Snakemake takes braces in a path for wildcards; rename the folder, or clone elsewhere"
        )
