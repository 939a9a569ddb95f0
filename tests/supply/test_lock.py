"""The lock files: every file has a hash, pip enforces it, and the installed packages are the locked ones."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from tests.supply.locks import LOCKS, ROOT, blocks, versions

PACKAGE = "mdurl"  # 10 kB, a wheel for every machine


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_package_has_a_version_and_hashes_and_no_url(lock: Path) -> None:
    found = blocks(lock)
    for name, block in found.items():
        pattern = rf"{re.escape(name)}==[\w.+]+( ;[^\\]+)?( \\\n    --hash=sha256:[0-9a-f]{{64}})+"
        assert re.fullmatch(pattern, block), block
    assert "://" not in "".join(found.values())


def test_the_lock_has_the_projects_dependencies() -> None:
    locked = versions(LOCKS[0])
    assert locked.keys() >= {"torch", "nle", "setuptools", "uv", "pip-audit", "cyclonedx-bom", "mkdocs"}
    assert "pip" not in locked
    assert versions(LOCKS[1]) == {"torch": f"{locked['torch']}+cpu"}
    assert all(name.startswith(("nvidia-", "cuda-", "triton")) for name in versions(LOCKS[2]))


def test_what_is_installed_is_what_is_locked() -> None:
    differs = {}
    for name, version in versions(LOCKS[0]).items():
        try:
            installed = metadata.version(name).partition("+")[0]  # torch's build
        except metadata.PackageNotFoundError:
            installed = "not installed"
        if installed != version:
            differs[name] = f"{installed}, locked is {version}"
    assert not differs, "run `make setup`"


def test_make_installs_no_locked_package_without_its_hash() -> None:
    printed = subprocess.run(
        ["make", "--dry-run", "--always-make", "setup"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    commands = [line for line in printed.splitlines() if "pip install" in line]
    locks = [line for line in commands if "--require-hashes" in line and "--no-deps" in line]
    assert len(locks) == 4  # setuptools, torch for the CPU, all, torch's CUDA libraries
    assert [line.split("--no-deps ")[1] for line in commands if line not in locks] == [
        "--no-build-isolation -e ."
    ]


def planned(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What `make` would do in a folder with the Makefile and the lock files."""
    for name in ("Makefile", "pyproject.toml", *(lock.name for lock in LOCKS)):
        shutil.copy2(ROOT / name, folder)
    command = ["make", "--dry-run", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_torch_build_that_is_asked_for_replaces_the_other_one(tmp_path: Path) -> None:
    stamp = tmp_path / ".venv" / ".installed"
    stamp.parent.mkdir()
    planned(tmp_path)  # copies the files, which are older than the stamp
    stamp.write_text("cpu\n", encoding="utf-8")
    for torch, installs in (("auto", False), ("cpu", False), ("cuda", True)):
        assert ("pip install" in planned(tmp_path, "setup", f"TORCH={torch}").stdout) == installs
    stamp.write_text("cuda\n", encoding="utf-8")
    os.utime(stamp, (4e9, 4e9))
    assert "pip install" in planned(tmp_path, "setup", "TORCH=cpu").stdout
    assert "pip install" not in planned(tmp_path, "setup").stdout
    wrong = planned(tmp_path, "setup", "TORCH=rocm")
    assert wrong.returncode == 2
    assert "TORCH is 'rocm'; allowed are auto, cpu and cuda" in wrong.stderr


def pip_download(requirements: Path) -> subprocess.CompletedProcess[str]:
    """Let pip fetch the requirements into a folder beside the file."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", "--no-cache-dir"]
    return subprocess.run(
        [*command, "--retries", "1", "--dest", requirements.parent / "files", "-r", requirements],
        capture_output=True,
        text=True,
        check=False,
    )


def test_pip_refuses_a_file_of_another_hash(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text(blocks(LOCKS[0])[PACKAGE], encoding="utf-8")
    right = pip_download(lock)
    if "No matching distribution" in right.stderr:
        pytest.skip("no package registry within reach")
    assert right.returncode == 0, right.stderr
    flipped = re.sub(r"sha256:(.)", lambda match: f"sha256:{int(match[1], 16) ^ 1:x}", lock.read_text())
    lock.write_text(flipped, encoding="utf-8")
    shutil.rmtree(tmp_path / "files")
    refused = pip_download(lock)
    assert refused.returncode != 0
    assert "DO NOT MATCH THE HASHES" in refused.stderr
    assert not list((tmp_path / "files").glob("*"))


def test_make_lock_twice_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    for file in ("pyproject.toml", "README.md", "tools/lock.py", *(lock.name for lock in LOCKS)):
        shutil.copy(ROOT / file, tmp_path / file)
    made = subprocess.run(
        [sys.executable, tmp_path / "tools" / "lock.py"],
        env={**os.environ, "UV_HTTP_TIMEOUT": "20", "UV_HTTP_RETRIES": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0 and re.search(r"error sending request|dns error|Failed to fetch", made.stderr):
        pytest.skip("no package registry within reach")
    assert made.returncode == 0, made.stderr
    for lock in LOCKS:
        assert versions(tmp_path / lock.name) == versions(lock)


def test_a_torch_without_hashes_of_its_cpu_build_is_one_error() -> None:
    cpu_build = runpy.run_path(str(ROOT / "tools" / "lock.py"))["cpu_build"]
    with pytest.raises(SystemExit, match=r"torch 1\.0\.0: add the sha256 .* to CPU_BUILDS in tools/lock\.py"):
        cpu_build("torch==1.0.0 \\\n    --hash=sha256:00\n    # via fpc\n")
