"""A file where a folder of the results belongs, or the reverse: one message, and nothing is replaced."""

from __future__ import annotations

import errno
import subprocess
from pathlib import Path

import pytest
from tests.workflow.chain import command_in

from fpc.core.errors import ConfigError
from fpc.lineage.artifact import RESULTS, Row
from fpc.lineage.places import check_kinds, wrong_kind
from fpc.workflow.publishing import replace_files

RUN = Path("results/tiny/two_state_mdp/pretrain/seed_0")
FIGURES = Path("results/tiny/figures")


def snakemake(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return command_in(project, "snakemake", "--cores", "1", *words, "--config", "scale=tiny")


@pytest.mark.parametrize("place", [RUN, RUN.parent, RUN.parent.parent])
def test_a_file_for_a_folder_is_found_before_anything_is_made(project: Path, place: Path) -> None:
    place.parent.mkdir(parents=True)
    place.write_text("mine", encoding="utf-8")
    words = f"fpc: {place} is a file, where a folder belongs; move it away, then run the same command again"
    for finished, code in (
        (command_in(project, "fpc", "pretrain", "--scale=tiny", "--experiment=two_state_mdp"), 2),
        (snakemake(project, str(RUN / "manifest.json")), 2),
    ):
        assert finished.returncode == code
        assert finished.stderr.splitlines()[-1] == words
    assert place.read_text(encoding="utf-8") == "mine"
    assert not Path("results/.runs").exists()


@pytest.mark.parametrize("file", ["figure_9.manifest.json", "figure_9.svg"])
def test_a_folder_for_a_file(project: Path, file: str) -> None:
    place = FIGURES / file
    place.mkdir(parents=True)
    finished = snakemake(project, "--dry-run")
    assert finished.returncode == 2
    assert f"fpc: {place} is a folder, where a file belongs" in finished.stderr


def test_no_file_of_a_figure_is_replaced_if_one_cannot_be(project: Path) -> None:
    row = Row("tiny", "figure", name="figure_9")
    output = Path("output")
    for folder in (output, row.folder):
        folder.mkdir(parents=True)
        for name in ("figure_9.csv", row.manifest.name):
            (folder / name).write_text(str(folder), encoding="utf-8")
    (output / "figure_9.svg").write_text("", encoding="utf-8")
    (row.folder / "figure_9.svg").mkdir()
    with pytest.raises(ConfigError, match=r"figures/figure_9\.svg is a folder, where a file belongs"):
        replace_files(output, row)
    for name in ("figure_9.csv", row.manifest.name):
        assert (row.folder / name).read_text(encoding="utf-8") == str(row.folder)


def test_what_fits_is_accepted(project: Path) -> None:
    (RESULTS / "tiny").mkdir(parents=True)
    (RESULTS / "tiny/claims.json").write_text("", encoding="utf-8")
    check_kinds([RESULTS / "tiny/claims.json", RUN / "manifest.json"])


def test_a_name_in_an_error_is_found(project: Path) -> None:
    FIGURES.mkdir(parents=True)
    (FIGURES / "file").write_text("", encoding="utf-8")
    for number, place in (
        (errno.ENOTDIR, FIGURES / "file/x"),
        (errno.ENOTDIR, FIGURES / "file"),
        (errno.EEXIST, FIGURES / "file"),
    ):
        found = wrong_kind(OSError(number, "no folder", str(place)))
        assert str(found).startswith(f"{FIGURES}/file is a file, where a folder belongs; move it away")
    moved = OSError(errno.EISDIR, "a folder", "output/x", None, str(FIGURES.resolve()))
    assert str(wrong_kind(moved)).startswith(f"{FIGURES} is a folder, where a file belongs")


def test_other_errors_have_no_such_message(project: Path) -> None:
    FIGURES.mkdir(parents=True)
    for error in (
        OSError("no number and no name"),
        OSError(errno.ENOSPC, "no room", str(FIGURES)),
        OSError(errno.EEXIST, "a folder that is made twice", str(FIGURES)),
        OSError(errno.EISDIR, "outside the results", "configs"),
        OSError(errno.ENOTDIR, "what is moved is the file", "results/file/x", None, str(FIGURES)),
        OSError(errno.EISDIR, "a descriptor", 3),
    ):
        assert wrong_kind(error) is None
