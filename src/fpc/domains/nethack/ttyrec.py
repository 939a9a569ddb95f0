"""Reads one recorded game (ttyrec3) with the decoder of ``nle.dataset``.

What a recording holds beyond the player's own steps, and what is done about it:

* NLE stores a key after the frame it answers, so frame t and key t are observation and action.
* ``NLE.reset`` presses space until the game is under way. A player never saw those frames: leading
  frames that show `--More--` and were answered with a space are left out.
* When a game is over, or is quit (meta-q, y), NLE presses space and escape through the last screens.
  Those trailing frames are left out; a player's own last spaces and escapes go with them.
* ``TtyrecDataset`` marks beginnings in `done`, but clears the first mark of each batch, and the paper's
  code therefore marks every step where NLD-AA's timestamps, there a counter of frames, do not rise by 1.
  Here each game is read by itself: its first step starts, and so does a step where such a counter jumps.
  NLE 1.3 writes the time of day instead, which says nothing about beginnings.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import nle.dataset
import numpy as np

from fpc.domains.nethack.action_space import actions_of
from fpc.domains.nethack.frames import COLUMNS, ROWS, Frames

AHEAD = 128  # frames decoded at a time, at least
LOOKAHEAD = 48  # frames held back until it is known that the game goes on; last screens are fewer
SPACE, ESCAPE = 32, 27
QUIT = (0x80 | ord("q"), ord("y"))
MORE = b"--More--"
END_OF_BZ2 = 0x177245385090  # 48 bits, followed by 32 bits of checksum and less than a byte of zeros


def check_recording(path: Path) -> None:
    """Refuse a file that is missing or was cut off; the decoder would take it for a short game.

    Raises:
        ValueError: names the file.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, io.SEEK_END)
            file.seek(max(0, size - 12))
            tail = int.from_bytes(file.read(), "big")
    except OSError as error:
        raise ValueError(f"{path}: the recording cannot be read ({error.strerror}); restore it") from error
    if not any((tail >> (32 + shift)) & (2**48 - 1) == END_OF_BZ2 for shift in range(8)):
        raise ValueError(
            f"{path}: the recording is cut off (its bz2 stream has no end); fetch or record it again"
        )


class RecordingReader:
    """Reads one recorded game, whatever its number of files."""

    def __init__(self, paths: Sequence[Path], version: int, game: int) -> None:
        self._paths, self._game = list(paths), game
        self._converter = nle.dataset.Converter(ROWS, COLUMNS, version)
        self._part = -1
        self._open_next()
        self._buffer = _Buffer(0)
        self._begin = self._end = 0  # frames in the buffer that were not handed out
        self._decoded, self._complete = False, False
        self._at_start, self._previous = True, 0
        self._timestamp = -1  # of the last frame; -1 where timestamps do not count frames

    def read(self, count: int) -> Frames:
        """The next ``count`` steps; fewer where the game ends.

        Raises:
            ValueError: a key that no action presses, or a file that is missing or cut off.
        """
        while not self._complete and self._end - self._begin < count + LOOKAHEAD:
            self._fill(max(count, AHEAD) + LOOKAHEAD)
        ready = self._begin + min(count, self._end - self._begin)
        frames = self._frames(self._begin, ready)
        self._begin = ready
        return frames

    def _open_next(self) -> bool:
        self._part += 1
        if self._part == len(self._paths):
            return False
        check_recording(self._paths[self._part])
        self._converter.load_ttyrec(str(self._paths[self._part]), gameid=self._game, part=self._part)
        return True

    def _fill(self, wanted: int) -> None:
        """Decode until ``wanted`` frames are in the buffer or the game is over."""
        self._buffer = self._buffer.moved(self._begin, self._end, wanted)
        self._begin, self._end = 0, self._end - self._begin
        while self._end < wanted and not self._complete:
            remaining = self._converter.convert(*self._buffer.from_frame(self._end, wanted))
            self._end = wanted - remaining
            if remaining and not self._open_next():
                self._complete = True
        if not self._decoded:
            self._decoded = True
            self._begin = self._buffer.leading(self._end)
            stamps = self._buffer.timestamps[self._begin : self._end]
            counts = len(stamps) > 1 and np.median(np.diff(stamps)) == 1
            self._timestamp = int(stamps[0]) - 1 if counts else -1
        if self._complete:
            self._end = self._buffer.without_trailing(self._begin, self._end)

    def _frames(self, begin: int, end: int) -> Frames:
        buffer, chosen = self._buffer, slice(begin, end)
        actions = actions_of(buffer.keys[chosen], str(self._paths[min(self._part, len(self._paths) - 1)]))
        previous = np.empty((end - begin, 1), dtype=np.uint8)
        starts = np.zeros(end - begin, dtype=bool)
        if end > begin:
            previous[0], previous[1:, 0] = self._previous, actions[:-1]
            self._previous = int(actions[-1])
            starts[0] = self._at_start
            self._at_start = False
            if self._timestamp >= 0:
                stamps = buffer.timestamps[chosen]
                starts |= np.diff(stamps, prepend=self._timestamp) != 1
                self._timestamp = int(stamps[-1])
        return Frames(
            buffer.chars[chosen],
            buffer.colors[chosen].view(np.uint8),
            buffer.cursors[chosen].astype(np.uint8),
            previous,
            actions,
            starts,
            buffer.scores[chosen],
        )


class _Buffer:
    """Decoded frames as the converter writes them."""

    def __init__(self, size: int) -> None:
        self.chars = np.empty((size, ROWS, COLUMNS), np.uint8)
        self.colors = np.empty((size, ROWS, COLUMNS), np.int8)
        self.cursors = np.empty((size, 2), np.int16)
        self.timestamps = np.empty(size, np.int64)
        self.keys = np.empty(size, np.uint8)
        self.scores = np.empty(size, np.int32)

    def _arrays(self) -> tuple[np.ndarray, ...]:
        return self.chars, self.colors, self.cursors, self.timestamps, self.keys, self.scores

    def from_frame(self, begin: int, end: int) -> tuple[np.ndarray, ...]:
        """Views for the converter to fill."""
        return tuple(array[begin:end] for array in self._arrays())

    def moved(self, begin: int, end: int, size: int) -> _Buffer:
        """Frames ``begin`` to ``end`` at the front of a buffer of at least ``size``: this one if it fits."""
        target = self if len(self.keys) >= size else _Buffer(size)
        for old, new in zip(self._arrays(), target._arrays(), strict=True):
            new[: end - begin] = old[begin:end]  # numpy copies as if through a buffer where they overlap
        return target

    def leading(self, end: int) -> int:
        """Frames before the player's first."""
        frame = 0
        while frame < end and self.keys[frame] == SPACE and _shows_more(self.chars[frame, :2]):
            frame += 1
        return frame

    def without_trailing(self, begin: int, end: int) -> int:
        """End of the frames that the player may have answered."""
        end = self._before(begin, end, (SPACE, ESCAPE))
        if end - begin >= len(QUIT) and tuple(self.keys[end - len(QUIT) : end]) == QUIT:
            end = self._before(begin, end - len(QUIT), (SPACE, ESCAPE))
        return end

    def _before(self, begin: int, end: int, keys: tuple[int, ...]) -> int:
        while end > begin and self.keys[end - 1] in keys:
            end -= 1
        return end


def _shows_more(lines: np.ndarray) -> bool:
    return MORE in lines.tobytes()
