"""Publishing to another disk, also a full or a read-only one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fpc.core.file_errors import check_writable, remedy_of
from fpc.lineage.artifact import Row
from fpc.workflow.publishing import replace_files, replace_folder

FPC = Path(sys.executable).parent / "fpc"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("may not mount a tmpfs here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def output_of(folder: Path, size: int) -> Path:
    (folder / "output" / "milestones").mkdir(parents=True)
    (folder / "output" / "manifest.json").write_bytes(b"new")
    (folder / "output" / "milestones" / "step_1").write_bytes(b"x" * size)
    return folder / "output"


def test_a_folder_is_published_on_another_disk(tmp_path: Path, small_disk: Path) -> None:
    target = small_disk / "tiny" / "seed_0"
    target.mkdir(parents=True)
    (target / "manifest.json").write_bytes(b"old")
    (target / "old").write_bytes(b"old")
    output = output_of(tmp_path, 1000)
    expected = content(output)
    replace_folder(output, target)
    assert content(target) == expected
    assert [path.name for path in target.parent.iterdir()] == ["seed_0"]


def test_a_full_disk_keeps_the_old_folder_and_the_output(tmp_path: Path, small_disk: Path) -> None:
    target = small_disk / "seed_0"
    target.mkdir()
    (target / "manifest.json").write_bytes(b"old")
    output = output_of(tmp_path, 100_000)
    expected = content(output)
    with pytest.raises(OSError, match="No space left") as raised:
        replace_folder(output, target)
    assert remedy_of(raised.value) == (
        f"{small_disk}/.seed_0.new/milestones/step_1: No space left on device; make room, then run the same "
        "command again to resume"
    )
    assert content(target) == {"manifest.json": b"old"}
    assert content(output) == expected
    assert [path.name for path in small_disk.iterdir()] == ["seed_0"]


def test_a_figure_is_published_on_another_disk(
    tmp_path: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("results").mkdir()
    Path("results/tiny").symlink_to(small_disk)
    output = tmp_path / "output"
    output.mkdir()
    for name in ("figure_9.svg", "figure_9.manifest.json"):
        (output / name).write_text(name, encoding="utf-8")
    replace_files(output, Row("tiny", "figure", name="figure_9"))
    assert content(small_disk / "figures") == {
        "figure_9.svg": b"figure_9.svg",
        "figure_9.manifest.json": b"figure_9.manifest.json",
    }


def test_a_read_only_disk_is_refused_before_anything_is_made(project: Path, small_disk: Path) -> None:
    (project / "results").mkdir()
    (project / "results" / "tiny").symlink_to(small_disk)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(OSError, match="Read-only") as raised:
        check_writable(Path("results/tiny/two_state_mdp/pretrain"))
    assert remedy_of(raised.value) is not None
    words = [FPC, "pretrain", "--scale=tiny", "--experiment=two_state_mdp"]
    finished = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (finished.returncode, finished.stderr.count("\n")) == (1, 1), finished.stderr
    assert "results/tiny: Read-only file system; the disk is mounted read-only" in finished.stderr
    assert not (project / "results" / ".runs").exists()
