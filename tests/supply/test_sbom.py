"""The software bill of materials, written by CycloneDX's program and checked by its validator."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from fpc.domains.nethack.external_inputs import INPUTS
from tests.supply.locks import LOCKS, ROOT, versions

SBOM = ROOT / "build" / "sbom.cdx.json"
PAGE = ROOT / "docs" / "reference" / "licences.md"


def test_the_bill_of_materials_lists_the_lock_with_licences() -> None:
    SBOM.unlink(missing_ok=True)
    made = subprocess.run(
        [sys.executable, ROOT / "tools" / "sbom.py"], capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    text = SBOM.read_text(encoding="utf-8")
    bill = json.loads(text)
    assert bill["metadata"]["component"]["name"] == "fpc"
    parts = {str(canonicalize_name(part["name"])): part for part in bill["components"]}
    locked = versions(LOCKS[0])
    assert {name: parts[name]["version"].partition("+")[0] for name in locked} == locked
    assert [name for name in locked if not parts[name].get("licenses")] == []
    assert not re.search(rf"file:|{re.escape(sys.prefix)}|{re.escape(str(Path.home()))}/", text)


def test_the_same_environment_has_the_same_bill() -> None:
    bill = runpy.run_path(str(ROOT / "tools" / "sbom.py"))["bill"]
    assert bill() == bill()
    assert "serialNumber" not in bill()


def test_an_invalid_bill_of_materials_is_not_written() -> None:
    tool = runpy.run_path(str(ROOT / "tools" / "sbom.py"))
    bill = tool["bill"]()
    bill["components"] = [{"name": "torch"}]
    with pytest.raises(SystemExit, match="not written"):
        tool["validated"](bill)


def test_the_page_of_licences_has_every_package_and_every_source() -> None:
    text = PAGE.read_text(encoding="utf-8")
    table = text.partition("| package | version | licence |")[2]
    rows = dict(re.findall(r"^\| ([a-z0-9-]+) \| (\S+) \| \S.*\|$", table, re.MULTILINE))
    assert rows == versions(LOCKS[0])
    assert "not installed" not in text
    for name in INPUTS:
        assert f"`{name}`" in text
    for name in versions(LOCKS[2]):
        assert f"`{name}`" in text or name.startswith("nvidia-")
