"""Draws the packages of `src/fpc` and the imports between them: `python docs/packages.py`.

The order is that of the contract in `pyproject.toml` (`[tool.importlinter]`); lines and imports are counted.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from itertools import pairwise
from pathlib import Path

import grimp
import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "explanation" / "packages.svg"
PAGE = PICTURE.with_name("architecture.md")
BEGIN, END = "<!-- made by docs/packages.py -->", "<!-- end -->"
ABOVE = ("cli", "workflow", "lineage")
ROLES = {
    "cli": "commands and their messages",
    "workflow": "configuration, run table, runs, phases, Snakemake, DVC",
    "lineage": "manifests, freshness, audit",
    "reporting": "claims and report as pages",
    "claims": "the paper's claims, tested against tables",
    "figures": "catalogue, families, individual figures",
    "domains": "environments, networks, experts, probes",
    "learners": "gradient ascent, REINFORCE, SAC, APPO",
    "retention": "methods, losses, Fisher information",
    "config": "section types",
    "core": "files, checkpoints, statistics, seeds, errors",
}


def layers() -> list[str]:
    """Rooms from top to bottom, as the contract names them."""
    content = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = content["tool"]["importlinter"]["contracts"]
    (contract,) = (item for item in contracts if item["type"] == "layers")
    return [str(layer).strip("()") for layer in contract["layers"]]


def imports() -> Counter[tuple[str, str]]:
    """How many imports lead from one package into another."""
    graph = grimp.build_graph("fpc", cache_dir=None)
    found: Counter[tuple[str, str]] = Counter()
    for module in graph.modules:
        for other in graph.find_modules_directly_imported_by(module):
            pair = module.split(".")[1:2], other.split(".")[1:2]
            if pair[0] and pair[1] and pair[0] != pair[1]:
                found[pair[0][0], pair[1][0]] += 1
    return found


def lines(package: str) -> int:
    """Lines of a package's modules."""
    return sum(
        len(path.read_text(encoding="utf-8").splitlines())
        for path in (ROOT / "src/fpc" / package).rglob("*.py")
    )


def draw(packages: list[str], arrows: Counter[tuple[str, str]]) -> Figure:
    """A box a package; imports of the next package go straight down, others along the sides."""
    figure = Figure(figsize=(10.6, 0.72 * len(packages) + 0.5))
    axes = figure.subplots()
    axes.set_axis_off()
    axes.set_xlim(-3.4, 18)
    axes.set_ylim(-len(packages) + 0.3, 0.9)
    centre = {package: -float(index) for index, package in enumerate(packages)}
    for package, y in centre.items():
        colour = "#E8EEF7" if package in ABOVE else "#FBF1DF"
        axes.add_patch(
            FancyBboxPatch(
                (0, y - 0.27), 14, 0.54, boxstyle="round,pad=0.02", facecolor=colour, edgecolor="#444444"
            )
        )
        axes.text(0.25, y, package, va="center", fontsize=10.5, fontweight="bold")
        axes.text(2.6, y, ROLES[package], va="center", fontsize=8.5)
        size = f"{round(lines(package), -2):,} lines"  # in hundreds: exact, it would be out of date tomorrow
        axes.text(13.8, y, size, va="center", ha="right", fontsize=7.5, color="#555555")
    for (source, target), count in sorted(arrows.items()):
        if source not in centre or target not in centre:
            continue  # `python -m fpc` belongs to no package
        _arrow(axes, centre[source], centre[target], count)
    for upper, lower in pairwise(packages):
        if upper in ABOVE and lower not in ABOVE:
            y = (centre[upper] + centre[lower]) / 2
            axes.plot([-3.2, 17.8], [y, y], color="#B22222", linewidth=1.4, linestyle=(0, (6, 3)), zorder=0)
            for offset, words, side in ((0.06, "cannot", "bottom"), (-0.06, "can", "top")):
                label = f"{words} change\na number"
                axes.text(-3.2, y + offset, label, fontsize=7.5, color="#B22222", va=side)
    return figure


def _arrow(axes: mpl.axes.Axes, start: float, end: float, count: int) -> None:
    """Bent more the farther it leads; an import upward would be red."""
    distance = start - end
    side = 14.0 if distance > 0 else 0.0
    width = 0.4 + 0.35 * min(count, 60) ** 0.5
    colour = "#7A8CA8" if distance > 0 else "#B22222"
    axes.add_patch(
        FancyArrowPatch(
            (side, start),
            (side, end),
            connectionstyle="arc3,rad=-0.32",
            arrowstyle="-|>",
            mutation_scale=8,
            linewidth=width,
            color=colour,
            alpha=0.55,
            shrinkA=0,
            shrinkB=0,
        )
    )


def page() -> str:
    """The page of the architecture with the table of packages as the code has them."""
    text = PAGE.read_text(encoding="utf-8")
    arrows, packages = imports(), layers()
    rows = []
    for package in packages:
        below = [other for other in packages if (package, other) in arrows]
        rows.append(f"| `{package}` | {ROLES[package]} | {', '.join(f'`{other}`' for other in below)} |")
    table = "\n".join(["| package | contents | imports from |", "|---|---|---|", *rows])
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    return f"{before}{BEGIN}\n\n{table}\n\n{END}{after}"


def main() -> None:
    """Write picture and table; the same code gives the same bytes."""
    PAGE.write_text(page(), encoding="utf-8")
    with mpl.rc_context({"svg.hashsalt": "fpc", "svg.fonttype": "path"}):
        draw(layers(), imports()).savefig(PICTURE, format="svg", metadata={"Date": None}, bbox_inches="tight")
    print(PICTURE.relative_to(ROOT))


if __name__ == "__main__":
    main()
