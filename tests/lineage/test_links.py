"""A project, its results, and single files of these, reached through symbolic links."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from typer.testing import CliRunner

from fpc.cli.main import app
from fpc.core.files import sha256_of
from fpc.lineage.verdict import Verdict

from .conftest import CHAIN, FIGURE, PRETRAIN, findings, make_chain

DRAWN = FIGURE.folder / "figure_9.svg"


@pytest.fixture
def other_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on another file system."""
    with TemporaryDirectory(dir="/dev/shm") as name:
        if Path(name).stat().st_dev == tmp_path.stat().st_dev:
            pytest.skip("/dev/shm is no file system of its own")
        yield Path(name)


def run(*words: str | Path) -> tuple[int, str]:
    finished = CliRunner().invoke(app, [str(word) for word in words])
    return finished.exit_code, finished.output


@pytest.mark.parametrize("linked", ["results", "results/tiny", "results/.runs", "results/tiny/two_state_mdp"])
def test_a_chain_whose_results_are_on_another_disk(
    linked: str, made: Path, tmp_path: Path, other_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(linked).parent.mkdir(parents=True, exist_ok=True)
    Path(linked).symlink_to(other_disk)
    make_chain()
    assert {item.verdict for item in findings().values()} == {Verdict.VERIFIED}
    for name in ("policy.safetensors", "training.parquet"):
        assert sha256_of(PRETRAIN.folder / name) == sha256_of(made / PRETRAIN.folder / name)
    assert Path(linked).is_symlink()
    hidden = {path.name for path in Path("results/tiny").rglob(".*")}
    assert hidden <= {".tensorboard"}, "nothing is left of publishing"
    assert list(Path("results/.runs").iterdir()) == []
    for place in (Path("results/tiny"), Path("results/tiny/two_state_mdp").resolve()):
        code, printed = run("audit", "verify", place)
        assert "tampered" not in printed
        assert code in (0, 3), printed  # 3: claims and report are not made here


@pytest.mark.usefixtures("chain")
def test_an_experiment_that_is_a_link_to_its_own_scale_is_not_followed() -> None:
    Path("results/tiny/circle").symlink_to("../tiny")
    code, printed = run("audit", "verify", "results/tiny")
    assert (code, "results/tiny/circle: it is a link to a folder" in printed) == (1, True), printed


def test_paths_through_links(chain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The project is a link, its results are one, and so are the paths of single files."""
    (chain / "results").rename(tmp_path / "disk")
    (chain / "results").symlink_to(tmp_path / "disk")
    home = tmp_path / "home"
    home.symlink_to(chain)
    monkeypatch.chdir(home)
    monkeypatch.setenv("PWD", str(home))
    (tmp_path / "picture.svg").symlink_to(home / DRAWN)
    Path("table.csv").symlink_to(DRAWN.with_suffix(".csv"))
    Path("training.parquet").symlink_to(PRETRAIN.folder / "training.parquet")
    real = tmp_path / "disk" / "tiny" / "figures" / "figure_9.svg"
    for path in (DRAWN, home / DRAWN, chain / DRAWN, real, tmp_path / "picture.svg", Path("table.csv")):
        code, printed = run("audit", "trace", path)
        assert (code, printed.startswith("figure figure_9  verified")) == (0, True), printed
        assert run("audit", "verify", path)[0] == 0
        assert run("audit", "diff", path, DRAWN)[0] == 0
    code, printed = run("audit", "trace", "training.parquet")
    assert (code, printed.startswith("pretrain two_state_mdp seed 0  verified")) == (0, True), printed
    assert run("explain", home / PRETRAIN.folder)[0] == 0
    code, printed = run("audit", "verify", tmp_path)
    assert code != 0
    assert len({row.manifest for row in CHAIN} & findings().keys()) == len(CHAIN)


@pytest.mark.usefixtures("chain")
def test_what_is_behind_a_link_is_not_recorded_and_nothing_is_written(tmp_path: Path) -> None:
    assert run("config", "stages", "--scale", "tiny")[0] == 0
    Path("results/tiny").rename(tmp_path / "disk")
    Path("results/tiny").symlink_to(tmp_path / "disk")
    finished = CliRunner().invoke(app, ["record", "--scale", "tiny"])
    assert "results/tiny is a link, and git and DVC record nothing behind one" in str(finished.exception)
    assert not Path("weights").exists()


@pytest.mark.usefixtures("chain")
def test_a_folder_on_a_disk_that_is_not_there() -> None:
    Path("results/tiny").rename("elsewhere")
    Path("results/tiny").symlink_to("/nowhere/tiny")
    words = ["pretrain", "--scale=tiny", "--experiment=two_state_mdp"]
    finished = CliRunner().invoke(app, words)
    assert "results/tiny is a link to /nowhere/tiny, which is not there" in str(finished.exception)
    assert not list(Path("results/.runs").glob("*/state"))
