"""Writes the lock files from pyproject.toml: `make lock`, or `make lock UPGRADE=1` for newer releases.

uv resolves the packages. Existing pins are kept, so a second run changes nothing. Each package is locked with
the sha256 of every file of its release, and pip installs no other file.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK, CUDA_LOCK, CPU_LOCK = (ROOT / f"requirements{part}.lock" for part in ("", "-cuda", "-cpu"))
UV = [Path(sys.executable).parent / "uv", "pip", "compile", "pyproject.toml", "--all-extras", "--quiet"]
OPTIONS = [
    *("--python-version", "3.11", "--python-platform", "x86_64-manylinux_2_28", "--generate-hashes"),
    # pip comes with the venv and must not replace itself during installation.
    *("--no-header", "--no-emit-index-url", "--no-emit-package", "pip"),
]
# Not every registry has the files of torch's CPU build, so uv may not see them. These are their sha256 by
# release, from PyTorch's own index of CPU builds (Python 3.11, Linux).
CPU_BUILDS = {
    "2.13.0": (
        "6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b",  # x86_64
        "84453b69508ec79902f899c5ed9495acb9e2bbe9fda5f1d5d6f19e3c3842e1a7",  # aarch64
    ),
}
CUDA = re.compile(r"(triton|nvidia-|cuda-)")
HEADER = """\
# Written by `make lock` from pyproject.toml; do not edit. To install: `make setup`.
# pip takes only files with one of these hashes. {about}
"""
ABOUT = "Torch has those of its CUDA build; others: requirements-cpu.lock."
ABOUT_CPU = "Torch's CPU build is taken where the registry has it."
ABOUT_CUDA = "These libraries are installed only with torch's CUDA build."


def compiled(present: str, upgrade: bool) -> str:
    """Resolve with uv, keeping the pins of ``present`` unless ``upgrade``; takes about two seconds.

    Raises:
        SystemExit: uv failed; it has printed why.
    """
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "requirements.lock"
        output.write_text(present, encoding="utf-8")
        arguments = [*UV, *OPTIONS, "--output-file", output, *(["--upgrade"] if upgrade else [])]
        finished = subprocess.run(arguments, cwd=ROOT, check=False)
        if finished.returncode != 0:
            sys.exit(finished.returncode)
        return output.read_text(encoding="utf-8")


def packages(text: str) -> dict[str, str]:
    """Package name -> its lines in a lock file."""
    blocks = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    return {block.partition("==")[0]: block for block in blocks}


def cpu_build(block: str) -> str:
    """Lock-file lines of torch's CPU build for the release in ``block``.

    Raises:
        SystemExit: its hashes are not known.
    """
    release = block.split()[0].partition("==")[2]
    if release not in CPU_BUILDS:
        sys.exit(f"torch {release}: add the sha256 of its CPU builds to CPU_BUILDS in tools/lock.py")
    hashes = " \\\n".join(f"    --hash=sha256:{digest}" for digest in CPU_BUILDS[release])
    return f"torch=={release}+cpu \\\n{hashes}\n"


def write(path: Path, about: str, blocks: list[str]) -> None:
    """Write a lock file atomically, or leave it untouched if unchanged, so `make setup` has nothing to do."""
    text = HEADER.format(about=about) + "".join(blocks)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        temporary = path.with_suffix(".tmp")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)


def main() -> None:
    """Resolve and write the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upgrade", action="store_true", help="newest releases instead of the present pins")
    present = "".join(path.read_text(encoding="utf-8") for path in (LOCK, CUDA_LOCK) if path.exists())
    found = packages(compiled(present, parser.parse_args().upgrade))
    cpu = cpu_build(found["torch"])
    write(LOCK, ABOUT, [block for name, block in found.items() if not CUDA.match(name)])
    write(CUDA_LOCK, ABOUT_CUDA, [block for name, block in found.items() if CUDA.match(name)])
    write(CPU_LOCK, ABOUT_CPU, [cpu])


if __name__ == "__main__":
    main()
