"""Checks a recording as a file (ttyrec3, compressed with bz2), which ``nle.dataset`` does not.

Its decoder takes the first damaged byte, and the end of the first of several bz2 streams, for the end of the
game, and it fills in no scores where an older version of ttyrec has none.
"""

from __future__ import annotations

import bz2
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from struct import Struct
from tempfile import NamedTemporaryFile

from fpc.core.errors import DataError

VERSION = 3
ENDING = f".ttyrec{VERSION}.bz2"
FRAME = Struct("<iiiB")  # seconds, microseconds, length of the data that follow, channel
OUTPUT, KEY, SCORE = 0, 1, 2
LENGTHS = {KEY: 1, SCORE: 4}  # bytes
AGAIN = "fetch or record it again"
NEWER = "use recordings of NLE 1.0 or later"
Content = tuple[bytes, int]
"""Decompressed content, and the number of bz2 streams that it was in."""


def check_version(name: object, version: int) -> None:
    """Check that recordings are of the version that has scores.

    Raises:
        DataError: they are of another one.
    """
    if version != VERSION:
        raise DataError(
            f"{name}: recorded as ttyrec version {version or 1}, but only version {VERSION} (*{ENDING}) has "
            f"scores; {NEWER}"
        )


@contextmanager
def checked(path: Path) -> Iterator[tuple[Path, int]]:
    """A complete and valid recording: the file to decode (of one bz2 stream), and its number of keys.

    Raises:
        DataError: the file is missing, truncated, damaged or not a ttyrec3.
    """
    content, streams = _decompressed(path)
    keys = _keys(path, content)
    if streams == 1:
        yield path, keys
        return
    with NamedTemporaryFile(suffix=ENDING) as file:
        file.write(bz2.compress(content, 1))
        file.flush()
        yield Path(file.name), keys


def _decompressed(path: Path) -> Content:
    try:
        packed = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: the recording cannot be read ({error.strerror}); restore it") from error
    parts, streams = [], 0
    while packed or not streams:
        decompressor = bz2.BZ2Decompressor()
        try:
            parts.append(decompressor.decompress(packed))
        except (OSError, ValueError) as error:
            found = "is damaged" if packed.startswith(b"BZh") else "is damaged, or not bz2"
            raise DataError(f"{path}: the recording {found} ({error}); {AGAIN}") from error
        if not decompressor.eof:
            raise DataError(f"{path}: the recording is truncated (its bz2 stream has no end); {AGAIN}")
        packed, streams = decompressor.unused_data, streams + 1
    return b"".join(parts), streams


def _keys(path: Path, content: bytes) -> int:
    """Number of recorded keys; each must have a score before it."""
    position, keys, scored = 0, 0, False
    while position < len(content):
        if position + FRAME.size > len(content):
            raise DataError(f"{path}: the recording is truncated (in a frame's header); {AGAIN}")
        _, _, length, channel = FRAME.unpack_from(content, position)
        if channel > SCORE or length < 0 or LENGTHS.get(channel, length) != length:
            raise DataError(
                f"{path}: not a valid ttyrec{VERSION} (byte {position}: channel {channel}, {length} bytes): "
                f"damaged, or of another version; {NEWER}"
            )
        position += FRAME.size + length
        if channel == KEY:
            if not scored:
                raise DataError(
                    f"{path}: no score before key {keys}, so it is older than ttyrec{VERSION}; {NEWER}"
                )
            keys += 1
        scored = channel == SCORE or (scored and channel == OUTPUT)
    if position > len(content):
        raise DataError(f"{path}: the recording is truncated (in a frame); {AGAIN}")
    return keys
