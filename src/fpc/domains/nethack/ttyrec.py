"""Reads one recorded game (ttyrec3) with the decoder of ``nle.dataset``.

Recordings need some care:

* NLE stores each key after the frame it responds to, so frame t and key t are observation and action.
* ``NLE.reset`` presses space until the game is under way. The player never saw those frames, so leading
  frames that show `--More--` and were answered with a space are dropped.
* When a game ends or is quit (meta-q, y), NLE presses space and escape to dismiss the final screens. These
  trailing frames are dropped, along with any final spaces and escapes by the player.
* ``TtyrecDataset`` marks starts of games in `done`, but clears the first mark of each batch. The paper's
  code therefore marks every step where the timestamp, a frame counter in NLD-AA, does not increase by 1.
  Here each game is read separately: its first step is a start, and so is every jump of such a counter.
  NLE 1.3 writes the time of day instead, which carries no such information.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import nle.dataset
import numpy as np

from fpc.core.errors import DataError
from fpc.domains.nethack.action_space import actions_of
from fpc.domains.nethack.frames import COLUMNS, ROWS, Frames
from fpc.domains.nethack.ttyrec_file import AGAIN, check_version, checked

AHEAD = 128  # minimum number of frames decoded at a time
LOOKAHEAD = 48  # frames held back until the game is known to continue; more than there are final screens
SPACE, ESCAPE = 32, 27
QUIT = (0x80 | ord("q"), ord("y"))
MORE = b"--More--"


class RecordingReader:
    """Reads one recorded game from one or more files."""

    def __init__(self, paths: Sequence[Path], version: int, game: int) -> None:
        self._paths, self._game = list(paths), game
        self._converter = nle.dataset.Converter(ROWS, COLUMNS, version)
        check_version(self._paths[0], version)
        self._part, self._keys = -1, 0  # keys: recorded in this file, and not yet decoded
        self._open_next()
        self._buffer = _Buffer(0)
        self._begin = self._end = 0  # bounds of the frames in the buffer not yet returned
        self._decoded, self._complete = False, False
        self._at_start, self._previous = True, 0
        self._timestamp = -1  # of the last frame; -1 if timestamps do not count frames

    def read(self, count: int) -> Frames:
        """The next ``count`` steps; fewer at the end of the game.

        Raises:
            DataError: no action presses a recorded key, or a file is missing, truncated, damaged, not of
                this version or not decoded to its end.
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
        with checked(self._paths[self._part]) as (file, self._keys):
            self._converter.load_ttyrec(str(file), gameid=self._game, part=self._part)
        return True

    def _fill(self, wanted: int) -> None:
        """Decode until the buffer has ``wanted`` frames or the game is over."""
        self._buffer = self._buffer.moved(self._begin, self._end, wanted)
        self._begin, self._end = 0, self._end - self._begin
        while self._end < wanted and not self._complete:
            remaining = self._converter.convert(*self._buffer.from_frame(self._end, wanted))
            self._keys -= wanted - remaining - self._end
            self._end = wanted - remaining
            if not remaining:
                continue
            if self._keys:
                path = self._paths[self._part]
                raise DataError(f"{path}: decoded without its last {self._keys} steps; {AGAIN}")
            self._complete = not self._open_next()
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
    """Decoded frames, in the layout that the converter writes."""

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
        """A buffer of at least ``size``, if possible this one, starting with frames ``begin`` to ``end``."""
        target = self if len(self.keys) >= size else _Buffer(size)
        for old, new in zip(self._arrays(), target._arrays(), strict=True):
            new[: end - begin] = old[begin:end]  # numpy handles overlapping copies correctly
        return target

    def leading(self, end: int) -> int:
        """Number of frames before the player's first."""
        frame = 0
        while frame < end and self.keys[frame] == SPACE and _shows_more(self.chars[frame, :2]):
            frame += 1
        return frame

    def without_trailing(self, begin: int, end: int) -> int:
        """End of the frames that the player answered, i.e. without final screens."""
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
