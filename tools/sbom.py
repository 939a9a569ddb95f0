"""Writes the software bill of materials of this environment: `make sbom`, to build/sbom.cdx.json.

CycloneDX's own program lists what is installed. If it finds no licence among a package's identifiers and
classifiers, the package's free text or the title of its licence file is added.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = ROOT / "build" / "sbom.cdx.json"
NOT_STATED = "not stated"


def bill() -> dict[str, Any]:
    """The bill of materials; the same environment gives the same one. Not validated (that takes 20 seconds).

    Raises:
        SystemExit: the environment cannot be read.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "sbom.json"
        program = [Path(sys.executable).parent / "cyclonedx-py", "environment", sys.executable]
        options = ["--pyproject", ROOT / "pyproject.toml", "--output-reproducible", "--no-validate"]
        command = [*program, *options, "--output-file", file]
        finished = subprocess.run(command, capture_output=True, text=True, check=False)
        if finished.returncode != 0:
            sys.exit(finished.stderr)
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    for component in found["components"]:
        if not component.get("licenses") and (name := other_licence(component["name"])):
            component["licenses"] = [{"license": {"name": name, "acknowledgement": "declared"}}]
    return found


def other_licence(package: str) -> str | None:
    """A package's one-line licence text, or the first line of its licence file."""
    text = (metadata.metadata(package).get("License") or "").strip()
    if text and "\n" not in text:
        return text
    for file in metadata.files(package) or ():
        if file.name.upper().startswith("LICEN") and ".dist-info" in file.parts[0]:
            title = file.read_text(encoding="utf-8").strip().partition("\n")[0].strip()
            return title if title.endswith("License") else None
    return None


def licences(found: dict[str, Any]) -> dict[str, str]:
    """Package -> its licence as text, from a bill of materials."""
    return {part["name"]: _licence(part.get("licenses", [])) for part in found["components"]}


def _licence(entries: list[dict[str, Any]]) -> str:
    """Identifiers and expressions if there are any, otherwise classifiers and free text."""
    inner = [entry.get("license", {}) for entry in entries]
    names = [entry["expression"] for entry in entries if "expression" in entry]
    names += [item["id"] for item in inner if "id" in item]
    names = names or [item["name"].rpartition(" :: ")[2] for item in inner if "name" in item]
    return ", ".join(names) or NOT_STATED


def validated(found: dict[str, Any]) -> str:
    """A bill of materials as validated text; takes 20 seconds.

    Raises:
        SystemExit: it is not valid CycloneDX 1.6.
    """
    text = json.dumps(found, indent=2) + "\n"
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if error is not None:
        sys.exit(f"not valid CycloneDX 1.6, so not written: {error}")
    return text


def main() -> None:
    """Write the file, or say what is wrong with it."""
    text = validated(bill())
    OUTPUT.parent.mkdir(exist_ok=True)
    temporary = OUTPUT.with_suffix(".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(OUTPUT)
    print(OUTPUT.relative_to(ROOT))


if __name__ == "__main__":
    main()
