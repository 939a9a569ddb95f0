"""Fetching from a real local server: new, resumed, refused and unpacked files."""

from __future__ import annotations

import hashlib
import io
import json
import stat
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from tests.workflow.chain import command_in

from fpc.core.errors import ConfigError
from fpc.core.files import read_json
from fpc.domains.nethack import downloads
from fpc.domains.nethack.config import SourceOptions
from fpc.domains.nethack.downloads import DownloadError, download, unpack
from fpc.domains.nethack.external_inputs import (
    INPUTS,
    LOCK,
    RECORDINGS,
    ExternalFile,
    ExternalInput,
    fetch,
    require,
)
from fpc.domains.nethack.sources import externals_of
from fpc.lineage.artifact import Row
from fpc.lineage.manifest import read
from fpc.workflow.run import open_run

CONTENT = bytes(range(256)) * 2000


class Host:
    """A local server that supports Range and If-Range, can truncate answers and logs requests."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.kinds: dict[str, str] = {}
        self.cuts: list[int] = []
        self.asked: list[tuple[str, str | None]] = []
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                host.answer(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        path, span = handler.path, handler.headers.get("Range")
        self.asked.append((path, span))
        content = self.files.get(path)
        if content is None:
            handler.send_response(404)
            handler.send_header("X-Error-Code", "RepoNotFound")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        version = f'"{hashlib.sha256(content).hexdigest()[:8]}"'
        begin = 0
        if span is not None and handler.headers.get("If-Range", version) == version:
            begin = int(span.removeprefix("bytes=").rstrip("-"))
        if begin and begin >= len(content):
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{len(content)}")
            handler.end_headers()
            return
        handler.send_response(206 if begin else 200)
        if begin:
            handler.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        handler.send_header("Content-Length", str(len(content) - begin))
        handler.send_header("Content-Type", self.kinds.get(path, "application/octet-stream"))
        handler.send_header("ETag", version)
        handler.end_headers()
        end = begin + self.cuts.pop(0) if self.cuts else len(content)
        handler.wfile.write(content[begin:end])


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(downloads, "sleep", lambda seconds: None)  # between attempts
    found = Host()
    thread = threading.Thread(target=found.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield found
    found.server.shutdown()
    found.server.server_close()
    thread.join()


def archive(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in members.items():
            opened.writestr(name, content)
    return stream.getvalue()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_download_is_complete_and_leaves_no_other_files(host: Host, tmp_path: Path) -> None:
    host.files["/file"] = CONTENT
    target = tmp_path / "folder" / "file"
    assert download(f"{host.address}/file", target) == sha256(CONTENT)
    assert target.read_bytes() == CONTENT
    assert [path.name for path in target.parent.iterdir()] == ["file"]


def test_an_interrupted_download_is_resumed(host: Host, tmp_path: Path) -> None:
    host.files["/file"] = CONTENT
    host.cuts = [100_000, 50_000]
    download(f"{host.address}/file", tmp_path / "file", size=len(CONTENT), sha256=sha256(CONTENT))
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert [span for _, span in host.asked] == [None, "bytes=100000-", "bytes=150000-"]


def test_the_next_command_resumes_after_one_that_gave_up(host: Host, tmp_path: Path) -> None:
    host.files["/file"] = CONTENT
    host.cuts = [1000] * downloads.ATTEMPTS
    with pytest.raises(DownloadError, match=r"cut off at 5000 bytes.*run the command again to resume"):
        download(f"{host.address}/file", tmp_path / "file")
    assert not (tmp_path / "file").exists()
    download(f"{host.address}/file", tmp_path / "file")
    assert host.asked[-1] == ("/file", "bytes=5000-")
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_partial_file_of_an_older_version_is_not_resumed(host: Host, tmp_path: Path) -> None:
    host.files["/file"] = CONTENT
    host.cuts = [1000] * downloads.ATTEMPTS
    with pytest.raises(DownloadError):
        download(f"{host.address}/file", tmp_path / "file")
    host.files["/file"] = CONTENT[::-1]
    assert download(f"{host.address}/file", tmp_path / "file") == sha256(CONTENT[::-1])


def test_a_complete_partial_file_is_used(host: Host, tmp_path: Path) -> None:
    host.files["/file"] = CONTENT
    (tmp_path / "file.part").write_bytes(CONTENT)
    download(f"{host.address}/file", tmp_path / "file", sha256=sha256(CONTENT))
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_unexpected_content_is_refused_and_deleted(host: Host, tmp_path: Path) -> None:
    host.files["/file"] = CONTENT
    with pytest.raises(DownloadError, match=f"sha256 {sha256(CONTENT)}.*remove its entry"):
        download(f"{host.address}/file", tmp_path / "file", sha256="0" * 64)
    with pytest.raises(DownloadError, match="expected 7"):
        download(f"{host.address}/file", tmp_path / "file", size=7)
    assert list(tmp_path.iterdir()) == []


def test_a_web_page_or_a_missing_file_is_refused_without_retries(host: Host, tmp_path: Path) -> None:
    host.files["/page"], host.kinds["/page"] = b"<html>", "text/html; charset=utf-8"
    with pytest.raises(DownloadError, match=r"web page.*--file"):
        download(f"{host.address}/page", tmp_path / "file")
    with pytest.raises(DownloadError, match="404"):
        download(f"{host.address}/absent", tmp_path / "file")
    assert len(host.asked) == 2


def written(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "archive.zip"
    path.write_bytes(content)
    return path


def test_a_zip_file_is_unpacked(tmp_path: Path) -> None:
    path = written(tmp_path, archive(**{"nld-aa/nle_data/a": b"one", "nld-aa/b": b"two"}))
    assert unpack(path, tmp_path / "out") == 2
    assert (tmp_path / "out" / "nld-aa" / "nle_data" / "a").read_bytes() == b"one"


@pytest.mark.parametrize("name", ["../out", "a/../../out", "/tmp/out", "C:/out", "a\\..\\out"])
def test_members_outside_the_folder_are_refused_before_anything_is_written(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, archive(good=b"1", **{name: b"2"}))
    with pytest.raises(DownloadError, match="points outside its folder"):
        unpack(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_links_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as opened:
        link = zipfile.ZipInfo("link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        opened.writestr(link, "/etc")
    with pytest.raises(DownloadError, match="link"):
        unpack(tmp_path / "archive.zip", tmp_path / "out")


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, archive(zeros=bytes(downloads.SMALLEST_LIMIT + 1)))
    with pytest.raises(DownloadError, match="unpacks to more than"):
        unpack(path, tmp_path / "out")
    with pytest.raises(DownloadError, match="not a readable zip file"):
        unpack(written(tmp_path, b"PK nonsense"), tmp_path / "out")


def games(host: Host) -> dict[str, ExternalInput]:
    host.files["/a.zip"] = archive(**{"games/1": b"first"})
    host.files["/b.zip"] = archive(**{"games/2": b"second"})
    files = tuple(ExternalFile(f"{host.address}/{name}.zip", f"{name}.zip", unpack=True) for name in "ab")
    return {"games": ExternalInput("games", "Games.", "none", files)}


def test_fetched_files_are_in_the_manifest_of_the_run_that_read_them(
    host: Host,
) -> None:
    fetch("games", inputs=games(host))
    pins = read_json(LOCK)
    LOCK.write_text(json.dumps({"nld_aa_taster": pins["games"]}), encoding="utf-8")
    options = {"games": 1, "max_steps": 1, "role": None, "race": None, "alignment": None}
    source = SourceOptions.model_validate({"kind": "nld_aa_taster", **options})
    row = Row("demo", "pretrain", "nethack", seeds=(0,))
    with open_run(row, {}, []) as run:
        run.externals |= externals_of(source)
        (run.output / "games.json").write_text("{}", encoding="utf-8")
    expected = {f"{host.address}/{name}": sha256(host.files[f"/{name}"]) for name in ("a.zip", "b.zip")}
    assert read(row.manifest).externals == expected
    assert read(row.manifest).parents == {}
    assert externals_of(source.model_copy(update={"kind": "expert"})) == {}


def test_the_first_fetch_pins_and_the_next_requests_nothing(host: Host) -> None:
    inputs = games(host)
    with pytest.raises(DownloadError, match="run: fpc fetch games"):
        require("games", inputs)
    folder = fetch("games", inputs=inputs)
    assert require("games", inputs) == folder == Path("data/external/games")
    assert sorted(path.read_bytes() for path in (folder / "games").iterdir()) == [b"first", b"second"]
    assert not (folder / "a.zip").exists()
    assert read_json(LOCK)["games"]["a.zip"] == {
        "url": f"{host.address}/a.zip",
        "bytes": len(host.files["/a.zip"]),
        "sha256": sha256(host.files["/a.zip"]),
    }
    count = len(host.asked)
    fetch("games", inputs=inputs)
    assert len(host.asked) == count


def test_a_partly_fetched_input_counts_as_incomplete(host: Host) -> None:
    inputs = games(host)
    second = host.files.pop("/b.zip")
    with pytest.raises(DownloadError, match="404"):
        fetch("games", inputs=inputs)
    with pytest.raises(DownloadError, match="incomplete"):
        require("games", inputs)
    host.files["/b.zip"] = second
    fetch("games", inputs=inputs)
    assert [path for path, _ in host.asked] == ["/a.zip", "/b.zip", "/b.zip"]
    require("games", inputs)


def test_a_file_that_changed_since_it_was_pinned_is_refused(host: Host) -> None:
    inputs = games(host)
    fetch("games", inputs=inputs)
    pinned = LOCK.read_bytes()
    (Path("data/external/games") / "fetched.json").unlink()
    host.files["/a.zip"] = archive(**{"games/1": b"other"})
    with pytest.raises(DownloadError, match=r"remove its entry|changed the file"):
        fetch("games", inputs=inputs)
    assert LOCK.read_bytes() == pinned


def test_a_manually_downloaded_file_is_checked_and_pinned_like_the_others(host: Host, tmp_path: Path) -> None:
    inputs = {"one": ExternalInput("one", "One.", "none", (ExternalFile(f"{host.address}/x", "x"),))}
    (tmp_path / "mine").write_bytes(b"mine")
    with pytest.raises(ConfigError, match="Allowed: x"):
        fetch("one", given={"mine": tmp_path / "mine"}, inputs=inputs)
    folder = fetch("one", given={"x": tmp_path / "mine"}, inputs=inputs)
    assert (folder / "x").read_bytes() == b"mine"
    assert host.asked == []
    (folder / "fetched.json").unlink()
    (folder / "x").unlink()
    (tmp_path / "mine").write_bytes(b"evil")
    with pytest.raises(DownloadError, match="refused"):
        fetch("one", given={"x": tmp_path / "mine"}, inputs=inputs)


def weights(**tensors: float) -> bytes:
    stream = io.BytesIO()
    torch.save({"model_state_dict": {key: torch.tensor(value) for key, value in tensors.items()}}, stream)
    return stream.getvalue()


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"
PAGE = b"\n<!DOCTYPE html>\n<html><title>Google Drive - Virus scan warning</title></html>"


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("games.zip", b"x", "not a readable zip file"),
        ("games.zip", b"", "an empty file"),
        ("games.zip", PAGE, "a web page"),
        ("games.zip", archive(**{"photos/1.jpg": b"1"}), r"no \*\.ttyrec\*\.bz2 in this zip file"),
        ("model_115.tar", b"x", "not a checkpoint of torch"),
        ("model_115.tar", b"", "an empty file"),
        ("model_115.tar", PAGE, "a web page"),
        ("model_115.tar", LFS, "a Git LFS pointer"),
        ("model_115.tar", bytes(5000), "a file of zeros"),
        ("model_115.tar", weights(a=1.0)[:-100], "a truncated file"),
        ("model_115.tar", archive(**{"a/1": b"1"}), "a zip file without a checkpoint"),
        ("model_flags.tar", PAGE, "a web page"),
    ],
)
def test_a_file_is_looked_into_before_it_is_pinned(
    host: Host, tmp_path: Path, name: str, content: bytes, problem: str
) -> None:
    right = archive(**{"d/nle.1.0.ttyrec3.bz2": b"1"}) if name == "games.zip" else weights(a=1.0)
    zipped = name == "games.zip"
    file = ExternalFile(f"{host.address}/{name}", name, unpack=zipped, holds=RECORDINGS if zipped else "*")
    inputs = {"one": ExternalInput("one", "One.", "none", (file,))}
    mine = tmp_path / name
    mine.write_bytes(content)
    host.files[f"/{name}"] = content or b"<html>"
    for given in ({name: mine}, None):
        with pytest.raises(DownloadError, match=problem if given or content else "web page"):
            fetch("one", given=given, inputs=inputs)
        assert not LOCK.exists()
        assert not (Path("data/external/one") / name).exists()
    mine.write_bytes(right)
    fetch("one", given={name: mine}, inputs=inputs)
    assert read_json(LOCK)["one"][name]["sha256"] == sha256(right)
    require("one", inputs)


def test_a_zip_file_with_one_damaged_byte_is_not_pinned(host: Host, tmp_path: Path) -> None:
    member = bytes(range(256)) * 40
    content = bytearray(archive(**{"d/nle.1.0.ttyrec3.bz2": member}))
    content[len(content) // 2] ^= 0xFF
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(DownloadError, match=r"a\.zip: not a readable zip file"):
        fetch("games", given={"a.zip": tmp_path / "a.zip"}, inputs=games(host))
    assert not LOCK.exists()


def test_a_given_file_that_is_not_there_or_not_the_pinned_one_is_not_ignored(
    host: Host, tmp_path: Path
) -> None:
    inputs = games(host)
    with pytest.raises(DownloadError, match=r"a\.zip does not exist; give the downloaded file"):
        fetch("games", given={"a.zip": tmp_path / "a.zip"}, inputs=inputs)
    with pytest.raises(DownloadError, match="is a folder"):
        fetch("games", given={"a.zip": tmp_path}, inputs=inputs)
    fetch("games", inputs=inputs)
    (tmp_path / "a.zip").write_bytes(b"other")
    with pytest.raises(DownloadError, match="was refused"):
        fetch("games", given={"a.zip": tmp_path / "a.zip"}, inputs=inputs)


def test_a_repository_may_have_empty_files(host: Host) -> None:
    inputs = {"saves": ExternalInput("saves", "Saves.", "none", repository="lab/saves")}
    listing = {"id": "lab/saves", "sha": "c" * 40, "siblings": [{"rfilename": "git.diff"}]}
    host.files["/api/models/lab/saves"] = json.dumps(listing).encode()
    host.kinds["/api/models/lab/saves"] = "application/json"
    host.files[f"/lab/saves/resolve/{'c' * 40}/git.diff"] = b""
    assert (fetch("saves", inputs=inputs, endpoint=host.address) / "git.diff").read_bytes() == b""


def test_a_repository_is_listed_once_and_then_pinned(host: Host) -> None:
    inputs = {"saves": ExternalInput("saves", "Saves.", "none", repository="lab/saves")}
    listing = {"id": "lab/saves", "sha": "c" * 40, "siblings": [{"rfilename": "a/1"}, {"rfilename": "b"}]}
    host.files["/api/datasets/lab/saves"] = json.dumps(listing).encode()
    host.kinds["/api/datasets/lab/saves"] = "application/json"
    base = f"/datasets/lab/saves/resolve/{'c' * 40}"
    host.files[f"{base}/a/1"] = b"one"
    with pytest.raises(DownloadError, match="404"):
        fetch("saves", inputs=inputs, endpoint=host.address)
    with pytest.raises(DownloadError, match="incomplete"):
        require("saves", inputs)
    host.files[f"{base}/b"] = b"two"
    folder = fetch("saves", inputs=inputs, endpoint=host.address)
    assert (folder / "a" / "1").read_bytes() == b"one"
    assert require("saves", inputs) == folder
    assert sum(path.startswith("/api/datasets") for path, _ in host.asked) == 1


def test_a_repository_cannot_write_outside_its_folder(host: Host) -> None:
    inputs = {"saves": ExternalInput("saves", "Saves.", "none", repository="lab/saves")}
    listing = {"id": "lab/saves", "sha": "c" * 40, "siblings": [{"rfilename": "../out"}]}
    host.files["/api/models/lab/saves"] = json.dumps(listing).encode()
    host.kinds["/api/models/lab/saves"] = "application/json"
    with pytest.raises(DownloadError, match="points outside its folder"):
        fetch("saves", inputs=inputs, endpoint=host.address)


def test_the_registry_names_the_sixteen_parts_of_nld_aa() -> None:
    names = [file.name for file in INPUTS["nld_aa"].files]
    assert names[0] == "nld-aa-dir-aa.zip"
    assert names[-1] == "nld-aa-dir-ap.zip"
    assert len(names) == 16
    assert all(key == item.name and item.licence for key, item in INPUTS.items())
    with pytest.raises(ConfigError, match="Did you mean 'nld_aa_taster'"):
        fetch("nld_aa_tester")


def test_a_damaged_list_of_pins_is_named_with_its_mend(project: Path) -> None:
    LOCK.write_text("", encoding="utf-8")
    finished = command_in(project, "fpc", "fetch", "nld_aa_taster")
    assert finished.returncode == 1
    assert finished.stderr.startswith(f"fpc: {LOCK}: not a readable JSON file")
    assert finished.stderr.endswith("or remove it to pin what is downloaded next\n")
    assert not Path("data/external").exists()
