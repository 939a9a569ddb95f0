"""What DVC keeps of a scale: ``dvc.yaml`` from the run table, and recording what runs have made.

One stage for each experiment and phase, then one each for figures, claims and report. A stage wraps the
Snakemake targets of its runs: DVC sees that something may have changed, Snakemake decides what must run.
Outputs of a stage that git ignores (weights, recordings) are stored by DVC; tables, figures and claims
stay in git and DVC only knows their digests. Every output is ``persist``, or ``dvc repro`` would delete
it first.
"""

from __future__ import annotations

import io
import re
import shlex
from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.scalarstring import FoldedScalarString

from fpc.core.errors import ConfigError
from fpc.core.files import write_text
from fpc.figures.catalogue import figure_entry
from fpc.lineage.manifest import ManifestError, read
from fpc.workflow.configuration import Configuration
from fpc.workflow.loader import BASE, CONFIGS, load
from fpc.workflow.run_table import RESULTS, Row, parents, rows, scale_and_variant

PIPELINE = Path("dvc.yaml")
HEADER = """\
# Made by `fpc config stages`; do not edit. Snakemake makes results, DVC stores what git does not hold.
# docs/how-to/versions.md explains it; tests/workflow/test_dvc.py holds it against the run table.
"""
# What a phase's runs hold for DVC where none of the stage's runs has been made yet to say so.
EXPECTED: dict[str, tuple[str, ...]] = {
    "pretrain": ("policy.safetensors",),
    "collect": ("expert.safetensors",),
    "finetune": ("milestones",),
}
IN_GIT = {
    "claims": ("claims.json", "claims.md", "claims_seeds.csv", "claims.manifest.json"),
    "report": ("report.html", "report.manifest.json"),
}
METRICS = "metrics.json"
# Figures that are lines of `value` over `step`: DVC draws them from the plotted data, by the template
# `.dvc/plots/curves.json`. Every figure is compared as a picture too.
CURVES = ("2", "3a", "3b", "3c", "5", "6", "7", "10", "11", "14", "18", "20")


def is_heavy(name: str) -> bool:
    """Whether git ignores this file of an artifact, so that DVC must hold it."""
    return name.endswith(".safetensors") or name.startswith("games/")


def heavy_names(like: Iterable[Row]) -> list[str]:
    """Files and folders of a run that DVC stores: what manifests of runs ``like`` it name."""
    names = set()
    for other in like:
        try:
            names |= {name.partition("/")[0] for name in read(other.manifest).subjects if is_heavy(name)}
        except ManifestError:
            continue
    return sorted(names)


def stage_rows(configuration: Configuration) -> dict[str, list[Row]]:
    """Name of each stage -> the rows it wraps, parents before children."""
    groups = groupby(rows(configuration), key=lambda row: (row.phase, row.experiment))
    return {stage_name(configuration, *key): list(group) for key, group in groups}


def stage_name(configuration: Configuration, phase: str, experiment: str | None = None) -> str:
    """``<scale>_<phase>[_<experiment>]``, in the letters that DVC takes."""
    name = "figures" if phase == "figure" else phase
    parts = [configuration.label, name, experiment]
    return re.sub(r"[^\w-]", "-", "_".join(part for part in parts if part))


def stages(configuration: Configuration) -> dict[str, dict[str, Any]]:
    """Name -> stage of ``dvc.yaml``, parents before children."""
    groups = stage_rows(configuration)
    stored: dict[Row, list[Path]] = {}
    for group in groups.values():
        names = heavy_names(group) or EXPECTED.get(group[0].phase, ())
        stored |= {row: [row.folder / name for name in names] for row in group}
    return {name: _stage(configuration, group, stored) for name, group in groups.items()}


def _stage(
    configuration: Configuration, group: list[Row], stored: Mapping[Row, list[Path]]
) -> dict[str, Any]:
    first = group[0]
    made_from = {parent for row in group for parent in parents(configuration, row)}
    if first.phase in ("figure", "claims"):  # of what they read, the tables of probes stand for all
        made_from = {parent for parent in made_from if parent.phase == "evaluate"}
    needed = {path for parent in made_from for path in stored[parent] or _in_git(parent)}
    scale = {"scale": configuration.scale}
    if configuration.variant:
        scale["variant"] = configuration.variant
    options = " ".join(f"{key}={shlex.quote(value)}" for key, value in scale.items())
    targets = " ".join(shlex.quote(row.manifest.as_posix()) for row in group)
    stage: dict[str, Any] = {
        "cmd": _folded(f"snakemake --cores 2 --config {options} -- {targets}"),
        "deps": sorted(path.as_posix() for path in {*configuration_files(configuration.label), *needed}),
        "outs": [_out(path, cache=True) for row in group for path in stored[row]]
        + [_out(path, cache=False) for path in _in_git(first)],
        "meta": scale,
    }
    if first.phase == "claims":
        stage["metrics"] = [_out(first.folder / METRICS, cache=False)]
    return stage


def _in_git(row: Row) -> list[Path]:
    """Outputs of a row's stage that git holds and DVC only knows the digests of."""
    root = RESULTS / row.label
    if row.phase == "evaluate":
        return [root / str(row.experiment) / "evaluate"]
    if row.phase == "figure":
        return [row.folder]
    return [root / name for name in IN_GIT.get(row.phase, ())]


def _out(path: Path, *, cache: bool) -> dict[str, Any]:
    return {path.as_posix(): {"persist": True} if cache else {"cache": False, "persist": True}}


def configuration_files(label: str) -> list[Path]:
    """The files that the configuration of a results label is read from."""
    scale, variant = scale_and_variant(label)
    files = [CONFIGS / f"{name}.yaml" for name in dict.fromkeys([BASE, scale])]
    return files + ([CONFIGS / "variants" / f"{variant}.yaml"] if variant else [])


def plots(configuration: Configuration) -> list[dict[str, Any] | str]:
    """The scale's figures for ``dvc plots``: each as a picture, curves also from their data."""
    folder = RESULTS / configuration.label / "figures"
    found: list[dict[str, Any] | str] = []
    for name in configuration.figure.names:
        found.append((folder / f"{name}.png").as_posix())
        if name.removeprefix("figure_") in CURVES:
            data = (folder / f"{name}.csv").as_posix()
            curve = {
                "template": "curves",
                "x": {data: "step"},
                "y": {data: "value"},
                "title": figure_entry(name).title,
            }
            found.append({f"{configuration.label} {name}": curve})
    return found


def pipeline(configurations: Iterable[Configuration]) -> str:
    """Text of ``dvc.yaml`` for these configurations."""
    content: dict[str, Any] = {"stages": {}, "plots": [], "params": []}
    for configuration in configurations:
        content["stages"] |= stages(configuration)
        content["plots"] += plots(configuration)
        files = [path.as_posix() for path in configuration_files(configuration.label)]
        content["params"] += [path for path in files if path not in content["params"]]
    stream = io.StringIO()
    writer = YAML()
    writer.default_flow_style = False
    writer.width = 110
    writer.dump(content, stream)
    return HEADER + stream.getvalue()


def _folded(command: str) -> Any:
    """A command as a block with one target a line."""
    text: Any = FoldedScalarString(command)
    start = command.index(" -- ") + 3
    text.fold_pos = [found for found, letter in enumerate(command) if letter == " " and found >= start]
    return text


def recorded_scales(path: Path = PIPELINE) -> list[tuple[str, str | None]]:
    """(scale, variant) of each configuration that ``dvc.yaml`` has stages of, in its order.

    Raises:
        ConfigError: it is not a pipeline of DVC.
    """
    if not path.exists():
        return []
    try:
        content: Mapping[str, Any] = YAML(typ="safe", pure=True).load(path) or {}
        metas = [stage.get("meta", {}) for stage in content.get("stages", {}).values()]
        found = [(str(meta["scale"]), meta.get("variant")) for meta in metas if "scale" in meta]
    except (YAMLError, AttributeError, TypeError) as error:
        raise ConfigError(
            f"{path}: not a pipeline of DVC ({error}); restore it: git checkout {path}"
        ) from error
    return list(dict.fromkeys(found))


def write_pipeline(added: Configuration | None = None) -> list[str]:
    """Write ``dvc.yaml`` anew for the scales it has, and for ``added``; returns their labels."""
    wanted = recorded_scales()
    if added is not None:
        wanted = list(dict.fromkeys([*wanted, (added.scale, added.variant)]))
    configurations = [load(scale, variant) for scale, variant in wanted]
    text = pipeline(configurations)
    if not PIPELINE.exists() or PIPELINE.read_text(encoding="utf-8") != text:
        write_text(PIPELINE, text)
    return [configuration.label for configuration in configurations]
