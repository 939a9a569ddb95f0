"""Checks that git, with the DVC remote that is in it, is all that a result needs: `make clean-room`.

In a temporary folder it makes a fresh clone of what is committed, runs `make setup` and `dvc pull`, checks
that Snakemake has nothing to do, runs the audit, redraws one figure and compares it byte for byte.

Exit code 0: all of that succeeded; recorded files that the remote lacks are listed and are not a failure, and
files that are not kept are not expected. 1: anything else. Needs only Python.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LACKING = "without files that the remote lacks"
SUFFIXES = (".svg", ".png", ".csv")
FOREIGN = (
    "PYTHONPATH",
    "PYTHONHOME",
    "VIRTUAL_ENV",
    "MFLAGS",
)  # removed from the environment
STARTED = time.monotonic()


class Broken(Exception):
    """A step of the check failed; the text says which and how."""


def say(text: str) -> None:
    """Print a line with the seconds since the start."""
    print(f"[{time.monotonic() - STARTED:4.0f} s] {text}", flush=True)


def run(folder: Path, *command: str | Path, accept: Sequence[int] = (0,)) -> str:
    """Run a command in a folder, with the folder's .venv first on PATH; returns its output.

    Raises:
        Broken: its exit code is not among those accepted.
    """
    path = f"{folder / '.venv' / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
    finished = subprocess.run(
        command, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    if finished.returncode not in accept:
        words = " ".join(map(str, command))
        raise Broken(f"`{words}` ended with {finished.returncode}:\n{finished.stdout}{finished.stderr}")
    return finished.stdout


def remote_of(asked: str | None) -> str | None:
    """Where to pull from: the given remote, else the clone's default one (None), which is in the clone."""
    if not asked:
        return None
    return str(Path(asked).resolve()) if Path(asked).is_dir() else asked


def pull(clone: Path, remote: str | None, endpoint: str | None) -> None:
    """Pull what the remote has; the audit shows what it lacks.

    Raises:
        Broken: the remote cannot be read, or has none of the weights.
    """
    if remote is not None:
        run(clone, ".venv/bin/dvc", "remote", "add", "--local", "--default", "clean-room", remote)
    if endpoint is not None:
        run(clone, ".venv/bin/dvc", "remote", "modify", "--local", "clean-room", "endpointurl", endpoint)
    run(clone, ".venv/bin/dvc", "pull", "--allow-missing")
    weights = sum(1 for _ in (clone / "results").rglob("*.safetensors"))
    if not weights:
        remedy = "run dvc push and commit weights/store, or give another: REMOTE=..."
        raise Broken(f"{remote or 'the default remote'} has none of the weights; {remedy}")
    say(f"pulled from {remote or 'the default remote'}: {weights} files of weights")


def nothing_to_do(clone: Path, scale: str) -> None:
    """Check that Snakemake would make nothing, with or without weights."""
    printed = run(clone, ".venv/bin/snakemake", "--cores", "1", "--dry-run", "--config", f"scale={scale}")
    if "Nothing to be done" not in printed:
        raise Broken(f"Snakemake has work to do in a fresh clone:\n{printed}")
    say("Snakemake: nothing to be done")


def audit(clone: Path, scale: str) -> str:
    """Audit the scale and list what the remote lacks; returns the counts as text.

    Raises:
        Broken: something is stale, unverified or tampered.
    """
    command = (".venv/bin/fpc", "audit", "verify", "--scale", scale, "--json")
    findings = json.loads(run(clone, *command, accept=(0, 1, 3)))["findings"]
    counts = Counter(item["verdict"] for item in findings)
    words = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))
    say(f"audit: {words}")
    accepted = ("verified", "absent", "behind", "missing")
    wrong = [item for item in findings if item["verdict"] not in accepted]
    if wrong or not findings:
        listed = "\n".join(f"  {item['verdict']} {item['artifact']}: {item['reasons']}" for item in wrong)
        raise Broken(f"the audit found:\n{listed or '  nothing to verify'}")
    absent = [(item, reason) for item in findings for reason in item["reasons"] if "not here" in reason]
    lacking = [(item, reason) for item, reason in absent if "not kept" not in reason]
    for item, reason in lacking:
        print(f"  {Path(item['artifact']).parent}: {reason}")
    return words + (f"; {len(lacking)} {LACKING}" if lacking else "")


def redraw(clone: Path, scale: str, figure: str) -> None:
    """Draw one figure again and compare it with the committed one.

    Raises:
        Broken: there is no such figure, jobs other than the figure's would run, or a byte differs.
    """
    files = [clone / "results" / scale / "figures" / f"{figure}{suffix}" for suffix in SUFFIXES]
    if absent := [file.name for file in files if not file.is_file()]:
        raise Broken(f"not committed: {', '.join(absent)}; give another: --figure")
    before = {file: file.read_bytes() for file in files}
    for file in files:
        file.unlink()
    target = files[0].relative_to(clone)
    command = (".venv/bin/snakemake", "--cores", "1", target, "--config", f"scale={scale}")
    planned = dict(re.findall(r"^(\w+) +(\d+)$", run(clone, *command, "--dry-run"), re.MULTILINE))
    if planned != {"figure": "1", "total": "1"}:
        raise Broken(f"to draw {figure}, Snakemake would run {planned}, not only the figure's job")
    run(clone, *command)
    different = [file.name for file in files if file.read_bytes() != before[file]]
    if different:
        raise Broken(f"drawn again, these differ: {', '.join(different)}")
    say(f"{figure} drawn again: SVG, PNG and CSV are the same, byte for byte")


def prove(folder: Path, options: argparse.Namespace) -> str:
    """Run all steps; returns the audit's counts."""
    remote = remote_of(options.remote)
    clone = folder / "clone"
    run(ROOT, "git", "clone", "--quiet", ROOT, clone)
    changed = run(ROOT, "git", "status", "--porcelain").splitlines()
    commit = run(clone, "git", "log", "-1", "--format=%h %s").strip()
    say(f"cloned {commit}" + (f"; {len(changed)} uncommitted changes are not in it" if changed else ""))
    run(clone, "make", "setup")
    say("environment made from requirements.lock")
    pull(clone, remote, options.endpoint)
    nothing_to_do(clone, options.scale)
    words = audit(clone, options.scale)
    redraw(clone, options.scale, options.figure)
    return words


def main() -> int:
    """Run the check in a temporary folder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--remote", help="DVC remote: a folder or URL (default: the one in the clone)")
    parser.add_argument("--endpoint", help="server of an s3:// remote, if it is not AWS")
    parser.add_argument("--scale", default="laptop")
    parser.add_argument("--figure", default="figure_7")
    parser.add_argument("--keep", action="store_true", help="do not delete the clone")
    options = parser.parse_args()
    for name in [key for key in os.environ if key in FOREIGN or key.startswith("MAKE")]:
        del os.environ[name]
    folder = Path(tempfile.mkdtemp(prefix="fpc-clean-room-"))
    try:
        words = prove(folder, options)
        limit = ", as far as the remote goes" if LACKING in words else ""
        say(f"clean room: proved for scale {options.scale}{limit} ({words})")
    except Broken as error:
        print(f"clean room: {error}", file=sys.stderr)
        return 1
    finally:
        if options.keep:
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
