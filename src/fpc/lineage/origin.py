"""What made an artifact: code, environment, machine. Unknown values are left out."""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from fpc.core.files import sha256_of
from fpc.lineage.closure import TEMPLATES, closure

logger = logging.getLogger(__name__)
PACKAGE = Path(__file__).resolve().parents[1]
SOURCE = PACKAGE.parent
REQUIREMENTS = Path("requirements.lock")
# The line of provenance: these packages decide what runs and where its output goes, not its content.
# Who calls, keeps and finds the code that makes an artifact, but does not change the artifact's content.
ABOVE_THE_LINE = (
    *("fpc/__init__.py", "fpc/__main__.py", "fpc/extensions.py"),
    *("fpc/cli/*", "fpc/workflow/*", "fpc/lineage/*", "fpc/retention/registry.py"),
)
RECORDED_PACKAGES = (
    "torch",
    "numpy",
    "scipy",
    "gymnasium",
    "sample_factory",
    "metaworld",
    "mujoco",
    "nle",
    "ale_py",
    "matplotlib",
    "pandas",
    "PIL",
)
DISTRIBUTIONS = {"PIL": "pillow"}  # where it has another name than the module


# A difference whose text depends on no one's git settings: configured programs, prefixes, order, context.
DIFFERENCE = (
    *("-c", "core.quotePath=true", "-c", "diff.suppressBlankEmpty=false", "diff"),
    *("--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "--no-relative"),
    *("--no-indent-heuristic", "--diff-algorithm=myers", "--unified=3", "--inter-hunk-context=0"),
    *("--src-prefix=a/", "--dst-prefix=b/", "-O/dev/null"),
)


def _git(*arguments: str) -> bytes | None:
    # A hook of another repository, and anyone's shell, may point git elsewhere (GIT_DIR, GIT_INDEX_FILE,
    # ...). The configuration in the environment stays: it may declare the checkout safe to use.
    inherited = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("GIT_") or key.startswith("GIT_CONFIG_")
    }
    try:
        return subprocess.run(
            ["git", "-C", str(SOURCE), *arguments],
            env=inherited | {"GIT_OPTIONAL_LOCKS": "0"},
            capture_output=True,
            check=True,
            timeout=30,
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        if (SOURCE.parent / ".git").exists():
            _warn(error)
        return None


@cache
def _warn_once(reason: str) -> None:
    logger.warning("manifests made now do not say from which commit: %s", reason)


def _warn(error: OSError | subprocess.SubprocessError) -> None:
    """Say once why git cannot tell the commit of what is a checkout."""
    if isinstance(error, FileNotFoundError):
        _warn_once("git is not installed")
    elif isinstance(error, subprocess.CalledProcessError):
        said = error.stderr.decode(errors="replace").strip()
        owner = "dubious ownership" in said
        remedy = f"git config --global --add safe.directory {shlex.quote(str(SOURCE.parent))}"
        _warn_once(
            f"the checkout belongs to another user; run: {remedy}" if owner else said.partition("\n")[0]
        )
    else:
        _warn_once(str(error))


@cache
def repository() -> dict[str, str]:
    """Commit, and the digest of uncommitted changes to tracked source and configuration if any.

    Empty outside a checkout, also if the project lies in a folder of another repository.
    """
    top = _git("rev-parse", "--show-toplevel")
    if top is None or Path(os.fsdecode(top.removesuffix(b"\n"))).resolve() != SOURCE.parent:
        return {}
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        return {}
    found = {"commit": commit.decode().strip()}
    difference = _git(*DIFFERENCE, "HEAD", "--", ":/src", ":/configs", ":/workflow")
    if difference:
        found["uncommitted_sha256"] = hashlib.sha256(difference).hexdigest()
    return found


@cache
def at_start() -> dict[str, str]:
    """sha256 of every module and template of this package at the first call, by path below ``src/``.

    A run calls this when it opens, so files that change during training do not enter its manifest.
    """
    files = [*PACKAGE.rglob("*.py"), *PACKAGE.rglob(f"{TEMPLATES}/*")]
    return {path.relative_to(SOURCE).as_posix(): sha256_of(path) for path in sorted(files)}


def digest_at_start(module: str) -> str | None:
    """sha256 of a module as it was at the first call; None if there is no such file.

    Args:
        module: path below ``src/``, or for a module of an extension relative to the project's root.
    """
    if module.startswith(f"{PACKAGE.name}/"):
        return at_start().get(module)
    return _digest_of_extension(module)


@cache
def _digest_of_extension(module: str) -> str | None:
    path = Path(module)
    inside = not path.is_absolute() and ".." not in path.parts
    return sha256_of(path) if inside and path.is_file() else None


def decides(module: str) -> bool:
    """Whether a module, by its path below ``src/``, can change an artifact's content."""
    return not any(fnmatchcase(module, pattern) for pattern in ABOVE_THE_LINE)


@dataclass(frozen=True)
class Code:
    """What determines an artifact: modules with sha256 (see ``digest_at_start``), packages with versions."""

    modules: Mapping[str, str] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)


def code_of(entries: Iterable[str]) -> Code:
    """The code reachable from these entry points, as it was at the first call.

    Args:
        entries: see :func:`fpc.lineage.closure.closure`.
    """
    found = closure(entries, SOURCE, decides)
    digests = {path: digest_at_start(path) for path in sorted(found.modules)}
    return Code(
        {path: digest for path, digest in digests.items() if digest is not None},
        {
            DISTRIBUTIONS.get(name, name): metadata.version(DISTRIBUTIONS.get(name, name))
            for name in RECORDED_PACKAGES
            if name in found.packages
        },
    )


def environment(packages: Mapping[str, str]) -> dict[str, Any]:
    """Python, the packages that affect numbers, and the digest of the lock file."""
    found: dict[str, Any] = {"python": platform.python_version(), "packages": dict(packages)}
    if REQUIREMENTS.exists():
        found["lock_sha256"] = sha256_of(REQUIREMENTS)
    return found


def machine(devices: Sequence[str] = ()) -> dict[str, Any]:
    """Type of machine and devices, without names that identify it.

    Args:
        devices: as reported by what used them, which may have been another process; without reports,
            networks were run on CPUs, if at all.
    """
    found: dict[str, Any] = {
        "system": platform.system(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "processor": processor(),
        "device": ", ".join(devices) or ("cpu" if "torch" in sys.modules else None),
        "slurm_job": os.environ.get("SLURM_JOB_ID"),
    }
    return {key: value for key, value in found.items() if value is not None}


def processor() -> str | None:
    """Name of the processor's model."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), None)
