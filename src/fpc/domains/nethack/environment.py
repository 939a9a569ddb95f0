"""NetHack's score task (paper, section 4): a seeded game of NLE, and the environment a policy acts in.

``make_game`` reproduces NetHackChallenge (121 actions; questions, menus and `--More--` are left to the
player; no penalty), but builds on NLE directly, because NetHackChallenge does not allow seeding.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from nle import nethack
from nle.env.base import NLE

from fpc.core.errors import DataError
from fpc.core.seeds import seed_of, short_seeds_of
from fpc.domains.nethack.action_space import ACTION_COUNT, KEYS
from fpc.domains.nethack.config import EnvironmentOptions
from fpc.domains.nethack.metrics import GameMetrics
from fpc.domains.nethack.start_states import StartState, digest_of_screen
from fpc.learners.interface import VISITED

OBSERVATION_KEYS = ("tty_chars", "tty_colors", "tty_cursor", "glyphs", "blstats", "message")
_ALWAYS_OBSERVED = ("glyphs", "blstats", "message", "program_state", "internal")  # appended by NLE
_GAME_OVER = 0  # index into NLE's observation `program_state`
_ASKS_FOR_TEXT, _WAITS_FOR_SPACE = 2, 3  # indices into NLE's observation `internal`
_SPACE, _ESCAPE, _YES = 32, 27, ord("y")
_TELEPORT = 20  # ^T: the only action privileged in debug mode, where anyone can teleport
_DEATH_QUESTION = b"Die?"
_STATUS_ROW, _NAME_WIDTH, _NAMES = 22, 31, (b"Wizard the", b"Agent the")
_UNLIMITED = 2**31
BEGINNING, LATEST = "ubirthday", 2**31  # NetHack's variable: seconds since 1970, as int64; an end in 2038
ROWS, COLUMNS = 24, 80
SOKOBAN, SOKOBAN_DUNGEON = "sokoban", 4  # name of the probe, and the dungeon's number in blstats


def make_game(
    environment: EnvironmentOptions,
    *,
    savedir: Path | None = None,
    wizard: bool = False,
    observation_keys: Sequence[str] = OBSERVATION_KEYS,
) -> NLE:
    """NLE's game of the score task, without NLE's step limit.

    Args:
        environment: defines the character.
        savedir: folder for recordings (ttyrec3) of all games; None disables recording.
        wizard: use NetHack's debug mode, for start states.
        observation_keys: which of NLE's observations ``reset`` and ``step`` return.
    """
    options = list(nethack.NETHACKOPTIONS)
    if wizard:  # debug mode overrides the player's name, in which NLE encodes the character
        names = ("role", "race", "align", "gender")
        options += [
            f"{name}:{value}" for name, value in zip(names, environment.character.split("-"), strict=True)
        ]
    return NLE(
        character=environment.character,
        actions=nethack.ACTIONS,
        options=options,
        observation_keys=tuple(observation_keys),
        allow_all_yn_questions=True,
        allow_all_modes=True,
        max_episode_steps=_UNLIMITED,
        fix_moon_phase=True,
        save_ttyrec_every=1 if savedir is not None else 0,
        savedir=None if savedir is None else str(savedir),
        wizard=wizard,
    )


def begin_game(game: NLE, seed: int) -> dict[str, np.ndarray]:
    """Begin the game of ``seed`` and return its first observation; equal seeds give identical games.

    NLE's seeds and ``fix_moon_phase`` leave out the time at which the game began. From it NetHack derives
    the names and the prices of shopkeepers, for instance, so that a game would differ from itself minutes
    later. It is set here, on the first level, which has no shop.
    """
    core, display, moment = short_seeds_of(seed, count=3)
    game.seed(core=core, disp=display, reseed=False)
    observation: dict[str, np.ndarray] = game.reset()[0]
    library = ctypes.CDLL(game.nethack.dlpath)  # the copy that this game has loaded
    ctypes.c_long.in_dll(library, BEGINNING).value = moment % LATEST
    # Without this, NLE could not unload the copy, and the next game would continue with its variables.
    ctypes.CDLL(None).dlclose(ctypes.c_void_p(library._handle))
    return observation


class NetHackEnvironment(gymnasium.Env[dict[str, np.ndarray], int]):
    """The score task as a policy sees it.

    Observations: tty_chars, tty_colors uint8 [24, 80], tty_cursor uint8 [2] (row, column),
    previous_action uint8 [1] (0 after a reset). The reward is the change in score. A game is truncated after
    ``max_steps``, or when the turn counter has not changed for ``no_progress_limit`` steps. When it ends,
    ``info["metrics"]`` holds its metrics and ``info["pits_filled"]`` the number of pits filled.

    Episode n of the stream (s, e) is seeded by (s, e, n), so the games of a run are independent;
    ``reset(seed=k)`` plays the game of seed k and continues with the stream (k,).

    With ``far_level``, ``info[VISITED]`` is the probe ``level_<far_level>`` while the game is on that level
    or deeper (in the Gnomish Mines too), and ``sokoban`` while it is in Sokoban.
    """

    def __init__(
        self,
        environment: EnvironmentOptions,
        *,
        stream: Sequence[int] = (0,),
        wizard: bool = False,
        far_level: int | None = None,
    ) -> None:
        self.options, self.wizard, self.far_level = environment, wizard, far_level
        self.game = make_game(environment, wizard=wizard)
        self.observation_space = gymnasium.spaces.Dict(
            {
                "tty_chars": gymnasium.spaces.Box(0, 255, (ROWS, COLUMNS), np.uint8),
                "tty_colors": gymnasium.spaces.Box(0, 255, (ROWS, COLUMNS), np.uint8),
                "tty_cursor": gymnasium.spaces.Box(0, 255, (2,), np.uint8),
                "previous_action": gymnasium.spaces.Box(0, ACTION_COUNT - 1, (1,), np.uint8),
            }
        )
        self.action_space = gymnasium.spaces.Discrete(ACTION_COUNT)  # type: ignore[assignment]
        self._stream, self._episode, self._seed = tuple(stream), -1, 0
        self._actions = bytearray()
        self._from_start_state = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Begin a game: from ``options["start"]`` (a StartState), of ``seed``, or else the stream's next one.

        Raises:
            DataError: the start state cannot be reached.
        """
        if seed is not None:
            self._stream, self._episode = (seed,), 0
        else:
            self._episode += 1
            seed = seed_of(*self._stream, self._episode)
        start: StartState | None = (options or {}).get("start")
        self._from_start_state = start is not None
        if start is None:
            self._begin(seed)
        else:
            start.check_wizard(self.wizard)
            self.press_keys(start.seed, start.keys, start.last_action)
            start.check_screen(self.screen())
        return self._observe(), self._visited()

    def press_keys(self, seed: int, keys: Sequence[int], previous_action: int = 0) -> None:
        """Begin the game of ``seed``, press ``keys`` (key codes) and count metrics from there on.

        Raises:
            DataError: the game ended before all keys were pressed.
        """
        self._begin(seed)
        for number, key in enumerate(keys):
            if self._press(key):
                raise DataError(f"the game of seed {seed} ended after {number + 1} of {len(keys)} keys")
        self._start_counting(previous_action)

    def step(self, action: int) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        """Press the key of ``action`` (0 to 120)."""
        action = int(action)
        reward, terminated = self._play(action)
        truncated = not terminated and self._is_truncated()
        info: dict[str, Any] = self._visited()
        if terminated or truncated:
            info |= {"metrics": self.metrics.as_dict(), "pits_filled": float(self.metrics.pits_filled)}
        return self._observe(), reward, terminated, truncated, info

    def screen(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Characters and colours, uint8 [24, 80], and the cursor, uint8 [2]; views of NLE's memory."""
        return self._chars, self._colors, self._cursor

    @property
    def blstats(self) -> np.ndarray:
        """NLE's status line, int64 [27]; a view of NLE's memory."""
        blstats: np.ndarray = self._blstats
        return blstats

    @property
    def waits_for_space(self) -> bool:
        """Whether the game shows `--More--`."""
        return bool(self._internal[_WAITS_FOR_SPACE])

    def snapshot(self) -> dict[str, Any]:
        """The current game and the position in the stream, for ``restore``.

        Raises:
            ValueError: the game began from a start state.
        """
        if self._from_start_state:
            raise ValueError("a game from a start state has no snapshot; replay it from its start state")
        return {
            "stream": list(self._stream),
            "episode": self._episode,
            "seed": self._seed,
            "actions": np.frombuffer(bytes(self._actions), dtype=np.uint8),
            "digest": digest_of_screen(*self.screen()),
        }

    def restore(self, snapshot: dict[str, Any]) -> dict[str, np.ndarray]:
        """Replay the game of a snapshot and return its last observation.

        Raises:
            DataError: the game took a different course, e.g. under another version of NLE.
        """
        self._stream = tuple(int(word) for word in snapshot["stream"])
        self._episode = int(snapshot["episode"])
        self._from_start_state = False
        self._begin(int(snapshot["seed"]))
        for action in np.asarray(snapshot["actions"], dtype=np.uint8).tolist():
            self._play(action)
        if digest_of_screen(*self.screen()) != snapshot["digest"]:
            raise DataError(
                f"the game of seed {self._seed} took a different course after {len(self._actions)} "
                "actions; continue with the version of nle and the configuration of the snapshot"
            )
        return self._observe()

    def close(self) -> None:
        """End the game and free NLE's memory."""
        self.game.close()

    def _begin(self, seed: int) -> None:
        self._seed = seed
        begin_game(self.game, seed)
        observed = self.game.last_observation  # arrays that NLE overwrites at each step
        keys = [*OBSERVATION_KEYS, *(key for key in _ALWAYS_OBSERVED if key not in OBSERVATION_KEYS)]
        arrays = dict(zip(keys, observed, strict=True))
        self._chars = arrays["tty_chars"]
        self._colors = arrays["tty_colors"].view(np.uint8)
        self._cursor, self._glyphs, self._blstats = arrays["tty_cursor"], arrays["glyphs"], arrays["blstats"]
        self._message, self._internal = arrays["message"], arrays["internal"]
        self._program_state = arrays["program_state"]
        self._start_counting(0)

    def _start_counting(self, previous_action: int) -> None:
        self.metrics = GameMetrics(self._blstats, self._internal, self._glyphs)
        self._previous_action = previous_action
        self._actions.clear()
        self._without_progress = 0

    def _press(self, key: int) -> bool:
        """Press one key and, if the game ends, dismiss its final screens. Returns whether it is over."""
        _, done = self.game.nethack.step(key)
        while not done and (answer := self._answer()):
            _, done = self.game.nethack.step(answer)
        return bool(done)

    def _answer(self) -> int:
        """The key that dismisses a final screen; 0 if the game continues or the player must answer."""
        if self.wizard and self._message[: len(_DEATH_QUESTION)].tobytes() == _DEATH_QUESTION:
            return _YES  # debug mode asks whether to die
        if not self._program_state[_GAME_OVER]:
            return 0
        if self._internal[_WAITS_FOR_SPACE]:
            return _SPACE
        return _ESCAPE if self._internal[_ASKS_FOR_TEXT] else 0

    def _play(self, action: int) -> tuple[float, bool]:
        """Take an action; returns its reward and whether the game is over."""
        key = KEYS[action]
        done = self._press(_ESCAPE if self.wizard and key == _TELEPORT else key)
        self._actions.append(action)
        self._previous_action = action
        turns, reward = self.metrics.turns, 0
        if self.game.nethack.in_normal_game():  # otherwise the status line is zero
            reward = self.metrics.update(self._blstats, self._internal, self._glyphs, self._message)
        self._without_progress = self._without_progress + 1 if self.metrics.turns == turns else 0
        return float(reward), done

    def _visited(self) -> dict[str, Any]:
        """The Far probe that the game is at, if any; outside the normal game the status line is zero."""
        if self.far_level is None:
            return {}
        if self._blstats[nethack.NLE_BL_DNUM] == SOKOBAN_DUNGEON:
            return {VISITED: SOKOBAN}
        deep = self._blstats[nethack.NLE_BL_DEPTH] >= self.far_level  # a fall may skip the level itself
        return {VISITED: f"level_{self.far_level}"} if deep else {}

    def _is_truncated(self) -> bool:
        return (
            len(self._actions) >= self.options.max_steps
            or self._without_progress >= self.options.no_progress_limit
        )

    def _observe(self) -> dict[str, np.ndarray]:
        return {
            "tty_chars": _as_agent(self._chars) if self.wizard else self._chars.copy(),
            "tty_colors": self._colors.copy(),
            "tty_cursor": self._cursor.copy(),
            "previous_action": np.array([self._previous_action], dtype=np.uint8),
        }


def _as_agent(chars: np.ndarray) -> np.ndarray:
    """A copy of the screen that shows the player's name as outside debug mode."""
    chars = chars.copy()
    name = chars[_STATUS_ROW, :_NAME_WIDTH].tobytes()
    renamed = name.replace(*_NAMES, 1).ljust(_NAME_WIDTH)
    chars[_STATUS_ROW, :_NAME_WIDTH] = np.frombuffer(renamed, dtype=np.uint8)
    return chars
