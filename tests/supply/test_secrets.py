"""Neither manifests nor other published files name a machine, person, place or secret."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest
from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.settings import transient_settings

from tests.supply.locks import ROOT
from tests.workflow.chain import run_chain

# An absolute path, a home folder, an email address.
FORBIDDEN = re.compile(
    r"(?<![\w.})])/(home|root|work|tmp|Users|mnt|var|opt|srv|private|scratch|usr|etc|proc|dev)\b"
    r"|^/|~/|\b[A-Za-z]:\\|file:/|[\w.+-]+@[\w-]+\.[A-Za-z]{2,}"
)
CANARY = "canary7f3a"
# What a process could learn about its user from the environment; each value is a canary.
ABOUT_OTHERS = {
    "AWS_SECRET_ACCESS_KEY": f"{CANARY}/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "GITHUB_TOKEN": f"ghp_{CANARY}00000000000000000000000000",
    "HF_TOKEN": f"hf_{CANARY}",
    "DATABASE_PASSWORD": CANARY,
    "USER": CANARY,
    "LOGNAME": CANARY,
    "USERNAME": CANARY,
    "HOSTNAME": CANARY,
    "EMAIL": f"{CANARY}@example.org",
    "GIT_AUTHOR_NAME": CANARY,
    "GIT_AUTHOR_EMAIL": f"{CANARY}@example.org",
    "GIT_COMMITTER_EMAIL": f"{CANARY}@example.org",
}

# Every process of the chain starts with this, which gives the machine another name.
HOST = f"""
import os, socket
socket.gethostname = socket.getfqdn = lambda *_: "{CANARY}"
name = os.uname()
os.uname = lambda: os.uname_result((name[0], "{CANARY}", *name[2:]))
"""


def strings(value: Any) -> Iterator[str]:
    """Every string in a JSON value, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def manifests(folder: Path) -> list[Path]:
    """Manifests below a folder of results, without those of unfinished runs."""
    found = [*folder.rglob("manifest.json"), *folder.rglob("*.manifest.json")]
    return sorted(
        path for path in found if not any(part[0] == "." for part in path.relative_to(folder).parts)
    )


def forbidden(path: Path) -> list[str]:
    """Strings of a manifest that reveal a person or place."""
    return [text for text in strings(json.loads(path.read_text(encoding="utf-8"))) if FORBIDDEN.search(text)]


def secrets(paths: list[Path], scratch: Path) -> list[str]:
    """Secrets that detect-secrets finds by their form; not by entropy, because digests are random too."""
    names = [plugin.__name__ for plugin in get_mapping_from_secret_type_to_class().values()]
    by_form = [{"name": name} for name in names if "Entropy" not in name]
    lines = sorted({line for path in paths for line in path.read_text(encoding="utf-8").splitlines()})
    file = scratch / "lines.json"
    file.write_text("\n".join(lines), encoding="utf-8")
    with transient_settings({"plugins_used": by_form}):
        found = SecretsCollection()
        found.scan_file(str(file))
        return [f"{secret.type}: {lines[secret.line_number - 1].strip()}" for _, secret in found]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``results/tiny`` of a whole chain, run by a user with secrets in environment, home and host name."""
    home = tmp_path_factory.mktemp(f"home-{CANARY}")
    start = home / "start" / "sitecustomize.py"
    start.parent.mkdir()
    start.write_text(HOST, encoding="utf-8")
    path = os.pathsep.join([str(start.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    with pytest.MonkeyPatch.context() as patch:
        for key, value in {**ABOUT_OTHERS, "HOME": str(home), "PYTHONPATH": path}.items():
            patch.setenv(key, value)
        return run_chain(home, "tiny")


def test_committed_manifests_say_nothing_of_whose_or_where(tmp_path: Path) -> None:
    paths = manifests(ROOT / "results")
    assert len(paths) >= 143
    assert {str(path): found for path in paths if (found := forbidden(path))} == {}
    assert secrets(paths, tmp_path) == []


def test_a_new_manifest_says_nothing_of_whose_or_where(published: Path, tmp_path: Path) -> None:
    paths = manifests(published)
    assert len(paths) == 7
    assert {str(path): found for path in paths if (found := forbidden(path))} == {}
    assert secrets(paths, tmp_path) == []


def test_nothing_published_holds_a_secret_a_user_a_host_or_a_home(published: Path) -> None:
    files = [path for path in published.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} >= {".json", ".parquet", ".safetensors", ".svg", ".png", ".html"}
    for path in files:
        content = path.read_bytes()
        if path.suffix == ".parquet":  # compressed
            table = parquet.read_table(path)
            content += f"{table.schema.metadata} {table.to_pydict()}".encode()
        assert CANARY.encode() not in content, path


@pytest.mark.parametrize(
    "text",
    [
        "/home/someone/fpc/results",
        "see /Users/someone",
        "/nowhere",
        "~/fpc",
        r"C:\Users\someone",
        "file:///results",
        "someone@example.org",
    ],
)
def test_what_is_forbidden_is_found(tmp_path: Path, text: str) -> None:
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps({"subject": [{"name": text}, {"name": "results/tmp/work/home"}]}))
    assert forbidden(path) == [text]


def test_secrets_are_known_by_their_form(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    key = "AKIA" + "Z7Q2" * 4
    path.write_text(json.dumps({"subject": [{"name": key}]}, indent=2))
    assert secrets([path], tmp_path) == [f'AWS Access Key: "name": "{key}"']
