"""A figure's files are the same whatever settings of matplotlib its folder, user and shell bring."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from fontTools.ttLib import TTFont
from matplotlib import get_data_path

ROOT = Path(__file__).resolve().parents[2]
FPC = Path(sys.executable).parent / "fpc"
FIGURE = Path("results/laptop/figures/figure_9.svg")
SETTINGS = """
savefig.bbox: tight
savefig.transparent: True
path.simplify: False
path.sketch: 1, 100, 2
figure.dpi: 50
font.size: 20
mathtext.fontset: cm
text.usetex: True
xtick.direction: in
axes.xmargin: 0.3
axes.formatter.use_locale: True
"""


def committed(project: Path) -> Path:
    """A project with the committed tables of the two-state MDP, and without its figures."""
    shutil.copytree(ROOT / "configs", project / "configs")
    shutil.copytree(ROOT / "weights", project / "weights")
    shutil.copy(ROOT / "dvc.lock", project / "dvc.lock")
    tables = Path("results/laptop/two_state_mdp")
    shutil.copytree(ROOT / tables, project / tables, ignore=shutil.ignore_patterns("*.safetensors"))
    return project


def other_font(folder: Path) -> None:
    """A font that says it is DejaVu Sans, and is another."""
    folder.mkdir(parents=True)
    font = TTFont(Path(get_data_path()) / "fonts" / "ttf" / "cmr10.ttf")
    for record in font["name"].names:
        if record.nameID in (1, 4, 6, 16):
            record.string = "DejaVuSans" if record.nameID == 6 else "DejaVu Sans"
    font.save(folder / "DejaVuSans.ttf")


def test_settings_in_the_folder_that_matplotlib_cannot_read_are_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_bytes("# für\n".encode("latin-1"))
    finished = subprocess.run([FPC, "status"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert finished.returncode == 2
    assert finished.stderr.startswith("fpc: matplotlibrc: matplotlib could not read this file")
    assert finished.stderr.endswith("remove or rename it\n")


def test_a_figure_is_drawn_as_committed_whatever_surrounds_it(tmp_path: Path) -> None:
    project = committed(tmp_path / "project")
    (project / "matplotlibrc").write_text(SETTINGS, encoding="utf-8")
    (tmp_path / "latin_1").write_bytes("# für\n".encode("latin-1"))
    other_font(tmp_path / "home" / ".local" / "share" / "fonts")
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("XDG_")},
        "HOME": str(tmp_path / "home"),
        "MPLBACKEND": "module://a_notebook_that_is_not_installed",
        "MATPLOTLIBRC": str(tmp_path / "latin_1"),
        "SOURCE_DATE_EPOCH": "0",
        "TZ": "Pacific/Kiritimati",
        "LC_ALL": "C",
    }
    finished = subprocess.run(
        [FPC, "figure", "--scale=laptop", "--name=figure_9"],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    for suffix in (".svg", ".png", ".csv"):
        drawn, expected = (folder / FIGURE.with_suffix(suffix) for folder in (project, ROOT))
        assert drawn.read_bytes() == expected.read_bytes(), suffix
