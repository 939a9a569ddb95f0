"""``dvc.yaml``: tables, figures, claims and report of each scale as stages for ``dvc repro`` and ``dvc dag``.

A stage calls Snakemake: DVC sees that something may have changed, Snakemake decides what must run. All its
outputs are in git, and DVC only knows their digests. They are ``persist``, or ``dvc repro`` would delete
them first. What git does not hold is ``dvc_record``'s.
"""

from __future__ import annotations

import io
import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError

from fpc.core.errors import ConfigError
from fpc.core.files import write_text
from fpc.lineage.artifact import RESULTS, scale_and_variant
from fpc.workflow.configuration import Configuration
from fpc.workflow.loader import BASE, CONFIGS, load
from fpc.workflow.run_table import used_experiments

PIPELINE = Path("dvc.yaml")
HEADER = """\
# Made by `fpc config stages`; do not edit. Snakemake makes results, git holds the tables and figures that
# stand here, and DVC stores the rest: weights/. docs/how-to/versions.md explains it.
"""
CLAIMS = ("claims.json", "claims.md", "claims_seeds.csv", "claims.manifest.json")
REPORT = ("report.html", "report.manifest.json")
# Figures that are lines of `value` over `step`: DVC draws them from the plotted data, by the template
# `.dvc/plots/curves.json`. Every figure is compared as a picture too.
CURVES = ("2", "3a", "3b", "3c", "5", "6", "7", "10", "11", "14", "18", "20")


def stage_name(label: str, stage: str, experiment: str | None = None) -> str:
    """``<scale>_<stage>`` in the letters that DVC takes; of the tables, ``@<experiment>`` picks one."""
    name = re.sub(r"[^\w-]", "-", f"{label}_{stage}")
    return name if experiment is None else f"{name}@{experiment}"


def stages(configuration: Configuration) -> dict[str, dict[str, Any]]:
    """Name -> stage of ``dvc.yaml``, parents before children."""
    label = configuration.label
    root = (RESULTS / label).as_posix()
    meta = {"scale": configuration.scale}
    if configuration.variant:
        meta["variant"] = configuration.variant
    call = "snakemake --cores 2 --config " + " ".join(f"{k}={shlex.quote(v)}" for k, v in meta.items())
    files = [path.as_posix() for path in configuration_files(label)]
    experiments = used_experiments(configuration)
    tables = [f"{root}/{name}/evaluate" for name in experiments]
    claims = [f"{root}/{name}" for name in CLAIMS]
    metrics, figures = f"{root}/metrics.json", f"{root}/figures"
    return {
        stage_name(label, "tables"): {
            "foreach": _line(experiments),
            "do": {
                "cmd": f"{call} experiment=${{item}} -- tables",
                "deps": _line(files),
                "outs": _outs(f"{root}/${{item}}/evaluate"),
            },
        },
        stage_name(label, "figures"): {
            "cmd": f"{call} -- figures",
            "deps": [*files, *tables],
            "outs": _outs(figures),
        },
        stage_name(label, "claims"): {
            "cmd": f"{call} -- claims",
            "deps": [*files, *tables],
            "outs": _outs(*claims),
            "metrics": _outs(metrics),
        },
        stage_name(label, "report"): {
            "cmd": f"{call} -- report",
            "deps": [*files, f"{root}/claims.manifest.json", metrics, figures],
            "outs": _outs(*(f"{root}/{name}" for name in REPORT)),
            "meta": _line(meta),
        },
    }


def _outs(*paths: str) -> list[dict[str, Any]]:
    return [{path: _line({"cache": False, "persist": True})} for path in paths]


def _line(content: Any) -> Any:
    """A list or mapping, to be written on one line."""
    flow = CommentedMap(content) if isinstance(content, dict) else CommentedSeq(content)
    flow.fa.set_flow_style()
    return flow


def configuration_files(label: str) -> list[Path]:
    """The files that the configuration of a results label is read from."""
    scale, variant = scale_and_variant(label)
    files = [CONFIGS / f"{name}.yaml" for name in dict.fromkeys([BASE, scale])]
    return files + ([CONFIGS / "variants" / f"{variant}.yaml"] if variant else [])


def plots(configuration: Configuration) -> list[dict[str, Any] | str]:
    """The scale's figures for ``dvc plots``: each as a picture, curves also from their data."""
    figures = [(RESULTS / configuration.label / "figures" / name) for name in configuration.figure.names]
    curves = [file for file in figures if file.name.removeprefix("figure_") in CURVES]
    drawn = {"template": "curves", "x": "step", "y": "value"}
    return [
        *(f"{file.as_posix()}.png" for file in figures),
        *({f"{file.as_posix()}.csv": _line(drawn)} for file in curves),
    ]


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
    writer.width = 4096  # no line is broken
    writer.dump(content, stream)
    return HEADER + stream.getvalue()


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
