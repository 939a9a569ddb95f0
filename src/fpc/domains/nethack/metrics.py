"""Metrics of a game (paper, section 4 and figure 14)."""

from __future__ import annotations

import numpy as np
from nle import nethack

METRICS = ("score", "experience_level", "eating", "turns", "staircase", "scout", "depth", "gold")
STAIRS_DOWN = 4  # index into NLE's observation `internal`: whether the player is on a staircase down
NUTRITION = 7  # index into `internal`: NetHack's u.uhunger, which falls by about one per turn
FILLED = b"fills a pit"


class GameMetrics:
    """Computes the metrics of one game from NLE's observations.

    - score: sum of changes in score; gold: sum of absolute changes in gold.
    - experience_level, depth: highest reached; turns: the turn counter.
    - eating: sum of increases in nutrition.
    - staircase: steps that end on a staircase down.
    - scout: glyphs other than blank stone when each level was last seen, summed over levels (equal to the
      sum of NLE's scout reward).
    - pits_filled: messages that a boulder filled a pit.
    """

    def __init__(self, blstats: np.ndarray, internal: np.ndarray, glyphs: np.ndarray) -> None:
        """Start from the observation after a reset, or after the keys of a start state."""
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
        self._update_scout(values, glyphs)

    def update(
        self, blstats: np.ndarray, internal: np.ndarray, glyphs: np.ndarray, message: np.ndarray
    ) -> int:
        """Add one step of the normal game; returns the change in score.

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
        self._update_scout(values, glyphs)
        self._update_pits(values[nethack.NLE_BL_TIME], message)
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

    def _update_scout(self, values: list[int], glyphs: np.ndarray) -> None:
        level = (values[nethack.NLE_BL_DNUM], values[nethack.NLE_BL_DLEVEL])
        self._seen[level] = int(np.count_nonzero(glyphs != nethack.GLYPH_CMAP_OFF))

    def _update_pits(self, turn: int, message: np.ndarray) -> None:
        """Count a message once, even if it stays on the screen for several steps of one turn."""
        text = message.tobytes()
        if (turn != self.turns or text != self._message) and FILLED in text:
            self.pits_filled += 1
        self.turns, self._message = turn, text
