"""The image: what its recipe copies, which code its jobs run, and, on request, its build.

Apptainer is on few machines that run tests. Here a stand-in takes its place: it notes what Snakemake
asks of it and runs the command as the image would, with the image's variables and its launcher.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
ENVS = ROOT / "workflow" / "envs"
PRETRAIN = "results/tiny/two_state_mdp/pretrain/seed_0/manifest.json"
STAND_IN = """#!/bin/sh
if [ "$1" = --version ]; then echo "apptainer version 1.3.0"; exit; fi
for argument in "$@"; do printf '%s\\n' "$argument"; done >> "$CALLS"
while [ "$1" != bash ]; do shift; done
exec env FPC_IMAGE="$IMAGE" PATH="$IMAGE/bin:/usr/bin:/bin" "$@"
"""
ENGINE = os.environ.get("FPC_CONTAINER_ENGINE")


def copied() -> set[str]:
    """What the recipe copies from the project."""
    lines = re.findall(r"^COPY (.*)$", (ENVS / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    return {word for line in lines for word in line.split()[:-1] if not word.startswith("--")}


def executable(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like the image's: lock file, launcher, and an environment that notes its use in ``used``."""
    folder = tmp_path_factory.mktemp("image")
    shutil.copy(ROOT / "requirements.lock", folder)
    executable(folder / "bin" / "fpc", (ENVS / "fpc").read_text(encoding="utf-8"))
    executable(folder / ".venv" / "bin" / "fpc", f'#!/bin/sh\ntouch {folder}/used\nexec {BIN}/fpc "$@"\n')
    return folder


@pytest.fixture
def checkout(project: Path) -> Path:
    """A project folder with code and lock file, like a checkout."""
    (project / "src").symlink_to(ROOT / "src")
    shutil.copy(ROOT / "requirements.lock", project)
    return project


def launch(image: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The launcher, with ``image/tools`` first on PATH."""
    environment = {**os.environ, "FPC_IMAGE": str(image), "PATH": f"{image}/tools:{os.environ['PATH']}"}
    return subprocess.run(
        [ENVS / "fpc", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def workflow(checkout: Path, image: Path) -> subprocess.CompletedProcess[str]:
    """Snakemake with the stand-in, for one pre-training."""
    tools = image / "host"
    executable(tools / "apptainer", STAND_IN)
    environment = {
        **os.environ,
        "PATH": f"{tools}:{os.environ['PATH']}",
        "CALLS": str(image / "calls"),
        "IMAGE": str(image),
        "XDG_CACHE_HOME": str(image / "cache"),
    }
    options = ["--cores", "1", "--software-deployment-method", "apptainer", "--config", "scale=tiny"]
    return subprocess.run(
        [BIN / "snakemake", *options, "--", PRETRAIN],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_build_sees_what_the_recipe_copies_and_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert {rule.removeprefix("!") for rule in rules[1:]} == copied()
    assert all((ROOT / name).is_file() for name in copied())
    assert os.access(ENVS / "fpc", os.X_OK)


def test_what_is_copied_suffices_to_install(tmp_path: Path) -> None:
    for name in copied():
        shutil.copy(ROOT / name, tmp_path)
    for name in ("src", "made"):
        (tmp_path / name).mkdir()
    planned = subprocess.run(
        ["make", "--dry-run", "setup"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert planned.returncode == 0, planned.stderr
    build = "from setuptools import build_meta; build_meta.prepare_metadata_for_build_editable('made')"
    built = subprocess.run(
        [sys.executable, "-c", build], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr


def test_the_recipe_sets_what_the_launcher_and_the_workflow_read() -> None:
    recipe = (ENVS / "Dockerfile").read_text(encoding="utf-8")
    folder = re.findall(r"^WORKDIR (\S+)$", recipe, re.MULTILINE)
    assert folder == re.findall(r"FPC_IMAGE=(\S+)", recipe)
    assert f"PATH={folder[0]}/bin:{folder[0]}/.venv/bin:$PATH" in recipe
    assert "COPY --chmod=755 workflow/envs/fpc bin/fpc" in recipe


def test_the_launcher_runs_the_checkouts_code(image: Path, tmp_path: Path) -> None:
    shutil.copy(ROOT / "requirements.lock", tmp_path)
    package = tmp_path / "src" / "fpc" / "cli"
    package.mkdir(parents=True)
    for folder in (package.parent, package):
        (folder / "__init__.py").touch()
    (package / "main.py").write_text("import sys\ndef main(): print(__file__, sys.argv[1:])\n")
    finished = launch(image, tmp_path, "plan", "--scale", "demo")
    assert finished.stdout == f"{package / 'main.py'} ['plan', '--scale', 'demo']\n", finished.stderr
    assert (image / "used").exists()


def test_the_launcher_refuses_a_folder_without_code(image: Path, tmp_path: Path) -> None:
    finished = launch(image, tmp_path, "plan")
    assert (finished.returncode, finished.stdout) == (2, "")
    assert finished.stderr.startswith(f"fpc: {tmp_path} has no src/fpc")
    assert finished.stderr.count("\n") == 1


def test_the_launcher_refuses_another_lock_file(image: Path, checkout: Path) -> None:
    with (checkout / "requirements.lock").open("a") as lock:
        lock.write("# later\n")
    finished = launch(image, checkout, "plan")
    assert (finished.returncode, finished.stdout) == (2, "")
    assert finished.stderr.startswith("fpc: requirements.lock is not the one this image was built from")


def test_the_launcher_refuses_a_user_without_a_name(image: Path, checkout: Path) -> None:
    executable(image / "tools" / "id", '#!/bin/sh\n[ "$1" = -u ] && echo 54321\n')
    finished = launch(image, checkout, "plan")
    assert (finished.returncode, finished.stdout) == (2, "")
    assert finished.stderr.startswith("fpc: user 54321 has no name in this container")


def test_a_job_in_the_container_runs_the_images_fpc(checkout: Path, image: Path) -> None:
    (checkout / "workflow" / "envs" / "fpc.sif").touch()
    finished = workflow(checkout, image)
    assert finished.returncode == 0, finished.stderr
    assert (checkout / PRETRAIN).exists()
    # The driver's own environment, whose path is in the command, is overridden by the image's.
    assert (image / "used").exists()
    asked = (image / "calls").read_text(encoding="utf-8").split("\n")
    assert asked[:3] == ["exec", "--home", str(checkout)]
    assert asked[asked.index("bash") - 1] == "workflow/envs/fpc.sif"


def test_a_missing_image_is_one_error_before_anything_runs(checkout: Path, image: Path) -> None:
    finished = workflow(checkout, image)
    assert finished.returncode == 1
    assert "workflow/envs/fpc.sif is missing" in finished.stderr
    assert not (image / "calls").exists()


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(
    ENGINE is None,
    reason="builds an image of some gigabytes; FPC_CONTAINER_ENGINE=podman (or docker) asks for it",
)
def test_the_image_builds_and_runs_the_chain_without_network(checkout: Path) -> None:
    assert ENGINE is not None
    options = shlex.split(os.environ.get("FPC_BUILD_OPTIONS", ""))
    subprocess.run(
        [ENGINE, "build", *options, "--tag", "fpc:test", "--file", ENVS / "Dockerfile", ROOT], check=True
    )
    (checkout / "src").unlink()
    shutil.copytree(ROOT / "src", checkout / "src", ignore=shutil.ignore_patterns("__pycache__"))
    checkout.chmod(0o777)
    user = os.getuid() or 65534  # nobody: the image must not need root
    mounts = [f"--volume={checkout}:/mnt/checkout", "--volume=/etc/passwd:/etc/passwd:ro"]
    engine = [ENGINE, "run", "--rm", "--network=none", f"--user={user}", *mounts, "--workdir=/mnt/checkout"]
    run = [*engine, "fpc:test"]
    subprocess.run([*run, "snakemake", "--cores", "2", "--config", "scale=tiny"], check=True)
    audit = subprocess.run([*run, "fpc", "audit", "verify"], capture_output=True, text=True, check=False)
    assert (audit.returncode, audit.stdout) == (0, "7 verified\n")
