"""The scan for vulnerabilities: real pip-audit, querying a local server with OSV's API."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.supply.locks import LOCKS, ROOT, blocks

VULNERABILITY: dict[str, Any] = {
    "id": "PYSEC-2000-1",
    "summary": "an example",
    "details": "an example",
    "modified": "2000-01-01T00:00:00Z",
    "published": "2000-01-01T00:00:00Z",
    "aliases": ["CVE-2000-1"],
    "affected": [
        {
            "package": {"name": "mdurl", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.0"}]}],
        }
    ],
}


class OSV(BaseHTTPRequestHandler):
    """Knows one vulnerability, in mdurl."""

    def do_POST(self) -> None:
        query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        found = {"vulns": [VULNERABILITY]} if query["package"]["name"] == "mdurl" else {}
        content = json.dumps(found).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:
        """Log nothing."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """URL of a server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), OSV)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1/query"
    server.shutdown()
    server.server_close()


def scan(folder: Path, names: tuple[str, ...], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Scan a lock file of these packages."""
    lock = folder / "some.lock"
    lock.write_text("\n".join(blocks(LOCKS[0])[name] for name in names), encoding="utf-8")
    return subprocess.run(
        [sys.executable, ROOT / "tools" / "scan.py", lock, "--service", "osv", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_vulnerability_is_an_error_until_it_is_accepted_with_a_reason(tmp_path: Path, url: str) -> None:
    found = scan(tmp_path, ("mdurl", "zipp"), "--osv-url", url)
    assert found.returncode == 1, found.stderr
    assert "PYSEC-2000-1; fixed in 99.0\n2 of 2 packages looked up" in found.stdout
    accepted = tmp_path / "accepted.txt"
    accepted.write_text("# known\nCVE-2000-1 mdurl reads only our own pages\n", encoding="utf-8")
    quiet = scan(tmp_path, ("mdurl", "zipp"), "--osv-url", url, "--accepted", str(accepted))
    assert (quiet.returncode, quiet.stdout) == (0, "2 of 2 packages looked up\n"), quiet.stderr
    accepted.write_text("CVE-2000-1\n", encoding="utf-8")
    wrong = scan(tmp_path, ("mdurl",), "--osv-url", url, "--accepted", str(accepted))
    assert wrong.returncode == 2
    assert "needs a reason" in wrong.stderr


def test_nothing_found_is_success(tmp_path: Path, url: str) -> None:
    assert scan(tmp_path, ("zipp",), "--osv-url", url).returncode == 0


def test_a_service_that_does_not_answer_is_not_a_clean_bill(tmp_path: Path) -> None:
    found = scan(tmp_path, ("mdurl",), "--osv-url", "http://127.0.0.1:9/v1/query")
    assert found.returncode == 3
    assert "no package was looked up" in found.stderr
    assert "Traceback" not in found.stderr


@pytest.mark.parametrize("option", [(), ("--accepted",)])
def test_a_missing_file_is_wrong_usage(tmp_path: Path, option: tuple[str, ...]) -> None:
    missing = str(tmp_path / "none")
    command = [sys.executable, ROOT / "tools" / "scan.py", "--service", "osv", *option, missing]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 2, found.stderr
    assert missing in found.stderr
    assert len(found.stderr.splitlines()) == 1


def test_accepted_vulnerabilities_have_reasons(tmp_path: Path, url: str) -> None:
    """The project's own list can be read."""
    assert scan(tmp_path, ("zipp",), "--osv-url", url).stderr == ""
