"""Metrics of a game (paper, section 4 and figure 14)."""

from __future__ import annotations

import numpy as np
from nle import nethack

METRICS = ("score", "experience_level", "eating", "turns", "staircase", "scout", "depth", "gold")
STAIRS_DOWN = 4  # of NLE's observation `internal`: the player stands on a staircase down
NUTRITION = 7  # of `internal`: NetHack's u.uhunger, which falls by about one a turn
FILLED = b"fills a pit"


class GameMetrics:
    """Counts the metrics of one game from the observations of NLE.

    score: sum of the score's changes. experience_level, depth: the highest reached. eating: sum of the
    positive changes of nutrition. turns: the turn counter. staircase: steps that end on a staircase down.
    scout: glyphs other than blank stone when each level was last seen, summed over levels (the sum of
    NLE's scout reward). gold: sum of the absolute changes. pits_filled: messages of a boulder in a pit.
    """

    def __init__(self, blstats: np.ndarray, internal: np.ndarray, glyphs: np.ndarray) -> None:
        """Begin at the observation after a reset, or after a start state's keys."""
        values = blstats.tolist()
        self.score = 0
        self.eating = 0
        self.staircase = 0
        self.gold = 0
        self.pits_filled = 0
        self.turns: int = values[nethack.NLE_BL_TIME]
        self.depth: int = values[nethack.NLE_BL_DEPTH]
        self.experience_level: int = values[nethack.NLE_BL_XP]
        self._score: int = values[nethack.NLE_BL_SCORE]
        self._gold: int = values[nethack.NLE_BL_GOLD]
        self._nutrition: int = internal.item(NUTRITION)
        self._message = b""
        self._seen: dict[tuple[int, int], int] = {}
        self._look(values, glyphs)

    def update(
        self, blstats: np.ndarray, internal: np.ndarray, glyphs: np.ndarray, message: np.ndarray
    ) -> int:
        """Count one step inside the normal game; returns the change of the score.

        Args:
            blstats: int64 [27]; internal: int32 [9]; glyphs: int16 [21, 79]; message: uint8 [256].
        """
        values = blstats.tolist()
        gained: int = values[nethack.NLE_BL_SCORE] - self._score
        self.score += gained
        self._score += gained
        gold, nutrition = values[nethack.NLE_BL_GOLD], internal.item(NUTRITION)
        self.gold += abs(gold - self._gold)
        self.eating += max(0, nutrition - self._nutrition)
        self._gold, self._nutrition = gold, nutrition
        self.staircase += internal.item(STAIRS_DOWN) != 0
        self.depth = max(self.depth, values[nethack.NLE_BL_DEPTH])
        self.experience_level = max(self.experience_level, values[nethack.NLE_BL_XP])
        self._look(values, glyphs)
        self._listen(values[nethack.NLE_BL_TIME], message)
        return gained

    def as_dict(self) -> dict[str, float]:
        """The eight metrics by name."""
        return {
            "score": float(self.score),
            "experience_level": float(self.experience_level),
            "eating": float(self.eating),
            "turns": float(self.turns),
            "staircase": float(self.staircase),
            "scout": float(sum(self._seen.values())),
            "depth": float(self.depth),
            "gold": float(self.gold),
        }

    def _look(self, values: list[int], glyphs: np.ndarray) -> None:
        level = (values[nethack.NLE_BL_DNUM], values[nethack.NLE_BL_DLEVEL])
        self._seen[level] = int(np.count_nonzero(glyphs != nethack.GLYPH_CMAP_OFF))

    def _listen(self, turn: int, message: np.ndarray) -> None:
        """Count a message once, though it may stay on the screen for several steps of one turn."""
        text = message.tobytes()
        if (turn != self.turns or text != self._message) and FILLED in text:
            self.pits_filled += 1
        self.turns, self._message = turn, text
