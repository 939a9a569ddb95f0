"""Atomic reading and writing of files: weights as safetensors, tables as parquet.

Writes go to a temporary file in the same folder, which is fsynced and renamed: a reader sees either the old
file or the new one, and a crash leaves nothing half-written.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fpc.core.errors import DataError

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor


def sha256_of(path: Path) -> str:
    """Hexadecimal sha256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def canonical_json(value: Any) -> str:
    """JSON text that is identical for equal values: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest_of(value: Any) -> str:
    """Hexadecimal sha256 of a JSON value's canonical text."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


@contextmanager
def atomic_path(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """A temporary path beside ``path`` that replaces ``path`` if the block ends without an error.

    The file's permissions follow from the umask and the folder's default ACL, as those of any new file do.

    Args:
        path: the file.
        durable: also on disk when the block ends; otherwise a power cut may lose it, or leave it empty.

    Raises:
        OSError: the file cannot be written, for example because the disk is full; the error names ``path``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        temporary.touch(exist_ok=False)
        mode = temporary.stat().st_mode
        yield temporary
        if durable:
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
        temporary.chmod(stat.S_IMODE(mode))  # safetensors puts a file with mode 0600 in its place
        temporary.replace(path)
        if durable:
            fsync_folder(path.parent)
    except OSError as error:
        if error.errno is not None:  # otherwise it has its own message
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def fsync_folder(folder: Path) -> None:
    """Make renames in ``folder`` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str, *, durable: bool = True) -> None:
    """Write UTF-8 text atomically; ``durable`` as in ``atomic_path``."""
    with atomic_path(path, durable=durable) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any, *, durable: bool = True) -> None:
    """Write indented JSON atomically, keys in the given order; ``durable`` as in ``atomic_path``."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n", durable=durable)


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        DataError: the file is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not a readable JSON file ({error})") from error


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write named tensors as safetensors, atomically."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    with atomic_path(path) as temporary:
        try:
            save_file({name: value.detach().contiguous() for name, value in tensors.items()}, temporary)
        except SafetensorError as error:  # it has the system's error number only in its message
            code = re.search(r"os error (\d+)", str(error))
            if code is None:
                raise
            raise OSError(int(code[1]), os.strerror(int(code[1]))) from error


def read_tensors(path: Path, sha256: str | None = None) -> dict[str, Tensor]:
    """Read safetensors; with ``sha256``, reject a file whose content differs.

    Raises:
        DataError: the digest differs, or the file is not safetensors.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if sha256 is not None and (found := sha256_of(path)) != sha256:
        raise DataError(f"{path}: sha256 is {found[:12]}..., its manifest says {sha256[:12]}...")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise DataError(f"{path}: not a readable safetensors file ({error})") from error


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as parquet (zstd), atomically."""
    with atomic_path(path) as temporary:
        table.to_parquet(temporary, index=False, compression="zstd")


def read_table(path: Path) -> pd.DataFrame:
    """Read a table from parquet.

    Raises:
        DataError: the file is not parquet.
    """
    import pandas as pd
    from pyarrow import ArrowException

    try:
        return pd.read_parquet(path)
    except ArrowException as error:
        raise DataError(f"{path}: not a readable parquet file ({error})") from error


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def write_with(path: Path, write: Callable[[Path], None]) -> None:
    """Have ``write`` create the file under a temporary name, then move it to ``path``."""
    with atomic_path(path) as temporary:
        write(temporary)
