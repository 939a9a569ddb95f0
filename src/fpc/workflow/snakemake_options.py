"""What ``snakemake --config`` may say: a scale, a variant, and an experiment for the target ``tables``."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from fpc.core.errors import ConfigError, unknown
from fpc.lineage.artifact import RESULTS, scale_and_variant
from fpc.workflow.configuration import Configuration
from fpc.workflow.loader import no_figure, scales

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


def check_experiment(experiment: str | None, words: Sequence[str], known: Collection[str]) -> None:
    """Check the experiment that is chosen: it restricts the target ``tables``, and no other.

    Args:
        experiment: what was chosen; None: nothing.
        words: the command's words.
        known: experiments whose tables are made.

    Raises:
        ConfigError: there is no such experiment, or the command makes more than its tables.
    """
    if experiment is None:
        return
    if experiment not in known:
        raise ConfigError(f"--config experiment={experiment}: {unknown('experiment', experiment, known)}")
    if words and "tables" not in words:
        raise ConfigError(
            f"--config experiment={experiment} restricts the target `tables` alone: add that target, or "
            "leave the key out"
        )


def check_targets(words: Sequence[str], configuration: Configuration) -> None:
    """Check the results that a command names as its targets.

    Raises:
        ConfigError: one belongs to another scale or variant than is chosen, or is a figure that is not drawn.
    """
    own = {configuration.label, *(() if configuration.base is None else (configuration.base.label,))}
    for path in map(PurePosixPath, words):
        if path.parts[:1] != (RESULTS.name,) or len(path.parts) < 3:
            continue
        label, place = path.parts[1:3]
        scale, variant = scale_and_variant(label)
        if label not in own and scale in scales():
            chosen = f"scale={scale}" + ("" if variant is None else f" variant={variant}")
            raise ConfigError(f"{path} is a result of {chosen}: add --config {chosen}, before --")
        name, is_figure = path.name.partition(".")[0], place == "figures" and len(path.parts) == 4
        if label == configuration.label and is_figure and name not in configuration.figure.names:
            raise ConfigError(f"{path}: {no_figure(configuration, name)}")


def check_folder(folder: Path) -> None:
    """Check that Snakemake can work in a folder: with braces in its path it would find no locks.

    Raises:
        ConfigError: it cannot.
    """
    if any(character in str(folder) for character in "{}\n"):
        raise ConfigError(
            f"{folder}: Snakemake takes braces in a path for wildcards; rename the folder, or clone elsewhere"
        )
