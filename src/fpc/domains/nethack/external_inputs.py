"""External inputs: published data and weights, and how to download them to ``data/external/<name>/``.

Contents are pinned: the first fetch of a file writes its size and sha256 to ``configs/external.lock.json``,
which is committed; every later fetch, on any machine, must yield the same content.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from string import ascii_lowercase
from typing import Any

from filelock import FileLock

from fpc.core.errors import ConfigError, unknown
from fpc.core.file_kinds import not_a_checkpoint, placeholder
from fpc.core.files import read_json, write_json
from fpc.domains.nethack.downloads import (
    DownloadError,
    check_archive,
    check_file,
    check_inside,
    download,
    unpack,
)

EXTERNAL = Path("data/external")
LOCK = Path("configs/external.lock.json")
DONE = "fetched.json"


@dataclass(frozen=True)
class ExternalFile:
    """One file: its address, its local name, and whether it is a zip file to unpack and remove.

    ``holds`` is a shell pattern: a zip file without such a member is another one.
    """

    url: str
    name: str
    size: int | None = None
    sha256: str | None = None
    unpack: bool = False
    holds: str = "*"


@dataclass(frozen=True)
class ExternalInput:
    """Published data or weights that runs may need.

    ``repository`` is a Hugging Face repository; its files are listed on the first fetch.
    """

    name: str
    description: str
    licence: str
    files: tuple[ExternalFile, ...] = ()
    repository: str | None = None


NETHACK_LICENCE = "NetHack General Public License"
NOT_STATED = "not stated by the publisher; check before redistributing"
RECORDINGS = "*.ttyrec*.bz2"
CHECKPOINTS = ("model_115.tar", "*.pth")
_NLD = "https://dl.fbaipublicfiles.com/nld"
_DRIVE = "https://drive.google.com/uc?export=download&confirm=t&id="

INPUTS: Mapping[str, ExternalInput] = {
    item.name: item
    for item in (
        ExternalInput(
            "nld_aa",
            "NLD-AA: AutoAscend's recorded games (Hambro et al. 2022), 16 zip files, tens of gigabytes.",
            NETHACK_LICENCE,
            tuple(
                ExternalFile(
                    f"{_NLD}/nld-aa/nld-aa-dir-a{letter}.zip",
                    f"nld-aa-dir-a{letter}.zip",
                    unpack=True,
                    holds=RECORDINGS,
                )
                for letter in ascii_lowercase[:16]
            ),
        ),
        ExternalInput(
            "nld_aa_taster",
            "A random subset of NLD-AA, 1.6 GB.",
            NETHACK_LICENCE,
            (
                ExternalFile(
                    f"{_NLD}/nld-aa-taster/nld-aa-taster.zip",
                    "nld-aa-taster.zip",
                    unpack=True,
                    holds=RECORDINGS,
                ),
            ),
        ),
        ExternalInput(
            "tuyls_lstm",
            "pi*: the 30M LSTM of Tuyls et al. 2023, cloned from 115B steps of AutoAscend, and its flags; "
            "convert it with fpc import-policy.",
            NOT_STATED,
            (
                ExternalFile(f"{_DRIVE}1tWxA92qkat7Uee8SKMNsj-BV1K9ENExl", "model_115.tar"),
                ExternalFile(f"{_DRIVE}1yyvbhq-yBF6q3lWCtfrIiyB1NdhTr5l2", "model_flags.tar"),
            ),
        ),
        ExternalInput(
            "kickstarted_policy",
            "The paper's fine-tuned policy (kickstarting, Human Monk), a Sample Factory run.",
            NOT_STATED,
            repository="LLParallax/sf_finetuning_forgetting_human_monk",
        ),
    )
}


def external_input(name: str, inputs: Mapping[str, ExternalInput] = INPUTS) -> ExternalInput:
    """The input of this name.

    Raises:
        ConfigError: there is none; the message lists the known names.
    """
    if name not in inputs:
        raise ConfigError(unknown("external input", name, inputs))
    return inputs[name]


def require(name: str, inputs: Mapping[str, ExternalInput] = INPUTS) -> Path:
    """The folder of a completely fetched input.

    Raises:
        DownloadError: the input is missing or incomplete; the message says how to fetch it.
    """
    if (problem := problem_of(name, inputs)) is not None:
        raise DownloadError(f"{EXTERNAL / name}: {problem}; run: fpc fetch {name}")
    return EXTERNAL / name


def problem_of(name: str, inputs: Mapping[str, ExternalInput] = INPUTS) -> str | None:
    """What is wrong with an input on this disk: missing, incomplete or not the pinned content; else None."""
    wanted = external_input(name, inputs)
    pinned, done = _pins(LOCK).get(name, {}), _done(EXTERNAL / name)
    names = {*pinned, *(file.name for file in wanted.files)}
    if not done:
        return "missing"
    if lacking := sorted(names - done.keys()):
        return f"incomplete, {len(lacking)} of {len(names)} files are missing"
    if other := sorted(key for key in names if done[key] != pinned.get(key, {}).get("sha256")):
        return f"{other[0]} is not the file pinned in {LOCK}"
    return None


def pinned(name: str) -> dict[str, str]:
    """Address -> sha256 of every pinned file of an input."""
    pins = _pins(LOCK).get(name, {}).values()
    return {pin["url"]: pin["sha256"] for pin in pins if pin["sha256"] is not None}


def fetch(
    name: str,
    *,
    given: Mapping[str, Path] | None = None,
    inputs: Mapping[str, ExternalInput] = INPUTS,
    endpoint: str | None = None,
) -> Path:
    """Download the missing files of an input, if any.

    Args:
        name: a key of ``inputs``.
        given: manually downloaded files by name; they are copied in and checked like the others.
        inputs: the registry.
        endpoint: alternative address of Hugging Face.

    Returns:
        The folder of the input.

    Raises:
        ConfigError: there is no such input, or ``given`` names a file that it does not have.
        DownloadError: a file cannot be downloaded or differs from the pinned one.
    """
    wanted = external_input(name, inputs)
    folder = EXTERNAL / name
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        files = _files(wanted, endpoint)
        strange = [key for key in given or {} if key not in {file.name for file in files}]
        if strange:
            raise ConfigError(unknown(f"file of {name}", strange[0], [file.name for file in files]))
        for file in files:
            _fetch_file(wanted.name, file, folder, (given or {}).get(file.name))
    return folder


def _fetch_file(name: str, file: ExternalFile, folder: Path, given: Path | None) -> None:
    check_inside(name, file.name)
    pin = _pins(LOCK).get(name, {}).get(file.name, {})
    size, sha256 = pin.get("bytes") or file.size, pin.get("sha256") or file.sha256
    done = _done(folder)
    target = folder / file.name
    if given is not None:
        _check_given(file, given)
        check_file(given, str(given), size=size, sha256=sha256)
    if sha256 is not None and done.get(file.name) == sha256 and (file.unpack or target.exists()):
        return
    if given is not None:
        _check_usable(file, given)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(given, target)
        sha256 = check_file(target, str(given), size=size, sha256=sha256)
    elif target.exists() and sha256 is not None:  # unpacking was interrupted
        check_file(target, str(target), size=size, sha256=sha256, remove=True)
    else:
        sha256 = download(file.url, target, size=size, sha256=sha256)
        if not pin.get("sha256") and target.stat().st_size:  # a repository may well have empty files
            _check_download(file, target)
    _pin(name, {file.name: {"url": file.url, "bytes": target.stat().st_size, "sha256": sha256}})
    if file.unpack:
        unpack(target, folder)
        target.unlink()
    write_json(folder / DONE, {**_done(folder), file.name: sha256})


def _check_given(file: ExternalFile, given: Path) -> None:
    if not given.is_file():
        what = "is a folder" if given.is_dir() else "does not exist"
        raise DownloadError(f"{given} {what}; give the downloaded file {file.name}")


def _check_download(file: ExternalFile, target: Path) -> None:
    try:
        _check_usable(file, target)
    except DownloadError:
        target.unlink()
        raise


def _check_usable(file: ExternalFile, path: Path) -> None:
    """Look into a file before its content is pinned: every later fetch must yield the same.

    Raises:
        DownloadError: it is a web page or another placeholder, or not a zip file or checkpoint as it should.
    """
    checkpoint = any(fnmatchcase(file.name, pattern) for pattern in CHECKPOINTS)
    try:
        found = not_a_checkpoint(path) if checkpoint else placeholder(path)
    except OSError as error:
        raise DownloadError(f"{path}: cannot be read ({error.strerror})") from error
    if found is not None:
        raise DownloadError(
            f"{path} is {found}, so it was not taken for {file.name}; download {file.url} again, by hand "
            "if need be, and pass the file with --file"
        )
    if file.unpack:
        check_archive(path, file.holds)


def _pin(name: str, entries: Mapping[str, dict[str, Any]]) -> None:
    """Add entries to the lock file."""
    with FileLock(EXTERNAL / ".lock"):
        pins = _pins(LOCK)
        pins[name] = {**pins.get(name, {}), **entries}
        write_json(LOCK, {key: dict(sorted(pins[key].items())) for key in sorted(pins)})


def _pins(path: Path) -> dict[str, dict[str, dict[str, Any]]]:
    return read_json(path) if path.exists() else {}


def _done(folder: Path) -> dict[str, str]:
    path = folder / DONE
    return read_json(path) if path.exists() else {}


def _files(wanted: ExternalInput, endpoint: str | None) -> tuple[ExternalFile, ...]:
    """Files of an input; for a repository the pinned list, or else its current one."""
    if wanted.repository is None:
        return wanted.files
    pinned = _pins(LOCK).get(wanted.name, {})
    if not pinned:  # pin the list first, so that an interrupted fetch is known to be incomplete
        pinned = {
            file.name: {"url": file.url, "bytes": None, "sha256": None}
            for file in _listed(wanted.repository, endpoint)
        }
        _pin(wanted.name, pinned)
    return tuple(ExternalFile(value["url"], key) for key, value in pinned.items())


def _listed(repository: str, endpoint: str | None) -> tuple[ExternalFile, ...]:
    from huggingface_hub import HfApi, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError
    from requests import RequestException

    interface = HfApi(endpoint=endpoint)
    for repository_type in ("model", "dataset"):  # only the name was published
        try:
            found = interface.repo_info(repository, repo_type=repository_type)
        except RepositoryNotFoundError:
            continue
        except (HfHubHTTPError, RequestException) as error:
            raise DownloadError(
                f"{repository}: {interface.endpoint} could not list its files ({error})"
            ) from error
        names = [item.rfilename for item in found.siblings or ()]
        return tuple(
            ExternalFile(
                hf_hub_url(repository, key, repo_type=repository_type, revision=found.sha, endpoint=endpoint),
                key,
            )
            for key in names
        )
    raise DownloadError(f"{repository} is not, or no longer, on Hugging Face; download its files by hand")
