"""Looks up known vulnerabilities of the locked packages: `make scan`.

pip-audit asks the package registry or OSV about each release. It reports "no known vulnerabilities" even for
packages that it could not look up; here these are a separate error.

Exit codes: 0 no vulnerabilities except accepted ones, 1 vulnerabilities, 2 wrong usage, 3 some packages could
not be looked up.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parents[1]
LOCKS = [ROOT / "requirements.lock", ROOT / "requirements-cuda.lock"]
ACCEPTED = ROOT / "tools" / "accepted_vulnerabilities.txt"
FOUND, WRONG_USE, NOT_LOOKED_UP = 1, 2, 3


def wrong_use(text: str) -> NoReturn:
    """Print what is wrong with the command, and exit."""
    print(text, file=sys.stderr)
    sys.exit(WRONG_USE)


def accepted(path: Path) -> dict[str, str]:
    """Vulnerability's identifier -> why it does not affect this project.

    Raises:
        SystemExit: it cannot be read, or a line gives no reason.
    """
    found = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        wrong_use(f"{path}: the accepted vulnerabilities cannot be read ({error}); give another --accepted")
    for number, line in enumerate(lines, start=1):
        identifier, _, reason = line.strip().partition(" ")
        if not identifier or identifier.startswith("#"):
            continue
        if not reason.strip():
            wrong_use(f"{path}:{number}: {identifier} needs a reason: IDENTIFIER REASON")
        found[identifier] = reason.strip()
    return found


def ask(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """pip-audit's result for each package.

    Raises:
        SystemExit: the service does not respond.
    """
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "audit.json"
        command = [Path(sys.executable).parent / "pip-audit", "--disable-pip", "--progress-spinner", "off"]
        command += [option for lock in arguments.lock for option in ("--requirement", lock)]
        command += ["--vulnerability-service", arguments.service, "--format", "json", "--output", answer]
        command += ["--osv-url", arguments.osv_url] if arguments.osv_url else []
        finished = subprocess.run(command, capture_output=True, text=True, check=False)
        if not answer.exists():
            last = finished.stderr.strip().splitlines()[-1:]
            print(f"no package was looked up; pip-audit: {' '.join(last)}", file=sys.stderr)
            sys.exit(NOT_LOOKED_UP)
        packages: list[dict[str, Any]] = json.loads(answer.read_text(encoding="utf-8"))["dependencies"]
        return packages


def findings(packages: list[dict[str, Any]], allowed: dict[str, str]) -> list[str]:
    """A line for each vulnerability that is not accepted."""
    lines = []
    for package in packages:
        for item in package.get("vulns", ()):
            if not {item["id"], *item["aliases"]} & allowed.keys():
                fixed = ", ".join(item["fix_versions"]) or "no release yet"
                lines.append(f"{package['name']} {package['version']}: {item['id']}; fixed in {fixed}")
    return lines


def main() -> None:
    """Query the service; print what was found and what could not be looked up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--service", choices=("pypi", "osv"), default="pypi")
    parser.add_argument("--osv-url", help="alternative URL of OSV's query API")
    parser.add_argument("--accepted", type=Path, default=ACCEPTED, help="file of IDENTIFIER REASON lines")
    parser.add_argument("lock", type=Path, nargs="*", default=LOCKS)
    arguments = parser.parse_args()
    allowed = accepted(arguments.accepted)
    if missing := [str(lock) for lock in arguments.lock if not lock.is_file()]:
        wrong_use(f"no such lock file: {', '.join(missing)}; `make lock` writes the project's")
    packages = ask(arguments)
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    lines = findings(packages, allowed)
    print("\n".join([*lines, f"{len(packages) - len(skipped)} of {len(packages)} packages looked up"]))
    if skipped:
        print(f"not looked up: {', '.join(skipped)}", file=sys.stderr)
    sys.exit(FOUND if lines else NOT_LOOKED_UP if skipped else 0)


if __name__ == "__main__":
    main()
