"""Drawing of the paper's tables as text."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

FIRST_COLUMN = 0.6  # in units of the later columns' width
SIZE = 8.5  # points


def write_table(
    axes: Axes,
    heads: Sequence[tuple[str, str]],
    cells: Sequence[Sequence[str]],
    *,
    first: float = FIRST_COLUMN,
    size: float = SIZE,
) -> None:
    """Draw rows of text with a rule below each; matplotlib's own table differs between drawings.

    Args:
        axes: the axes to draw in.
        heads: label and colour of each column.
        cells: rows of text, one per column.
        first: width of the first column; the others have width 1.
        size: font size in points.
    """
    axes.axis("off")
    axes.set(xlim=(0.0, len(heads) - 1 + first), ylim=(len(cells) + 0.6, 0.0))
    for column, (label, colour) in enumerate(heads):
        x = first / 2 if column == 0 else column - 0.5 + first
        axes.text(x, 0.3, label, ha="center", va="center", weight="bold", color=colour, fontsize=size)
        for line, row in enumerate(cells):
            axes.text(x, line + 1.1, row[column], ha="center", va="center", fontsize=size)
    for line in range(len(cells) + 1):
        axes.axhline(line + 0.6, color="#999999", linewidth=0.6)
