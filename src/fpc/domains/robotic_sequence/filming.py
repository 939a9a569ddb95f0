"""Renders attempts off-screen, in a process of its own: MuJoCo chooses how it renders when it is imported.

The choice is the environment variable ``MUJOCO_GL``, which the command line drops because it may be a
leftover of another project. So this module is started with each of ``BACKENDS`` until one works, and is
then given the attempts as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from fpc.core.errors import DataError
from fpc.domains.robotic_sequence.config import EnvironmentOptions
from fpc.domains.robotic_sequence.environment import RoboticSequence
from fpc.domains.robotic_sequence.probes import observation_digest
from fpc.domains.robotic_sequence.stage import ACTION_SIZE

BACKENDS = ("egl", "osmesa")
PACKAGES = "apt-get install libegl1 libgl1-mesa-dri, or libosmesa6"
WORKER = "fpc.domains.robotic_sequence.filming"
PROBE_SECONDS = 120.0
SIZE = 200  # pixels, of both sides
MOST_FRAMES = 60  # of an attempt, without its start and its end
# The table and the whole arm from the open side of the room.
LOOK_AT, DISTANCE, AZIMUTH, ELEVATION = (0.05, 0.62, 0.15), 1.45, 148.0, -30.0
Frames = npt.NDArray[np.uint8]


class NoRendering(RuntimeError):
    """No backend of MuJoCo renders on this machine; the text says why, and what to install."""


def stage_alone(task: str, max_steps: int) -> RoboticSequence:
    """A sequence of one stage: what happens in it follows from its seed and the actions.

    Args:
        task: Meta-World's name of the task without its version.
        max_steps: the limit of its steps.
    """
    options = EnvironmentOptions(
        stages=(task,),
        pretrained_stages=(0,),
        max_steps=max_steps,
        success_factor=0.0,
        reward_scale=1.0,
    )
    return RoboticSequence(options)


def frames_of(attempts: Sequence[Mapping[str, Any]]) -> list[dict[int, Frames]]:
    """Frames of attempts by the number of actions before them: the start, every few steps, and the end.

    Args:
        attempts: each with ``task``, ``seed``, ``digest`` (of the start state), ``success`` and ``actions``
            (hexadecimal float32 ``[steps, 4]``).

    Returns:
        One dictionary per attempt, its frames uint8 ``[SIZE, SIZE, 3]``.

    Raises:
        NoRendering: nothing renders here.
        DataError: a replay differs from its record.
    """
    chosen = backend()
    longest = max((len(_actions(attempt)) for attempt in attempts), default=0)
    request = json.dumps({"attempts": list(attempts), "stride": max(1, ceil(longest / MOST_FRAMES))})
    with TemporaryDirectory() as folder:
        done = _start(chosen, ["render", folder], request)
        problem = Path(folder, "problem.txt")
        if problem.exists():
            raise DataError(problem.read_text(encoding="utf-8"))
        if done.returncode:
            raise NoRendering(f"MuJoCo stopped rendering ({chosen}: {_last_line(done.stderr)})")
        return [
            {int(path.stem): np.load(path, allow_pickle=False) for path in sorted(part.glob("*.npy"))}
            for part in (Path(folder, str(index)) for index in range(len(attempts)))
        ]


@cache
def backend() -> str:
    """The first of ``BACKENDS`` that renders on this machine.

    Raises:
        NoRendering: none does.
    """
    reasons = []
    for name in BACKENDS:
        try:
            done = _start(name, ["probe"], "", PROBE_SECONDS)
        except subprocess.TimeoutExpired:
            reasons.append(f"{name}: no answer in {PROBE_SECONDS:.0f} s")
            continue
        if done.returncode == 0:
            return name
        reasons.append(f"{name}: {_last_line(done.stderr)}")
    raise NoRendering(f"MuJoCo renders nothing off-screen here ({'; '.join(reasons)}); {PACKAGES}")


def _start(
    name: str, words: Sequence[str], request: str, timeout: float | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "PYOPENGL_PLATFORM"}
    return subprocess.run(
        [sys.executable, "-m", WORKER, *words],
        env=environment | {"MUJOCO_GL": name},
        input=request,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def _last_line(text: str) -> str:
    """The error itself, below its traceback."""
    lines = [line for line in text.splitlines() if line and not line.startswith((" ", "Exception ignored"))]
    return lines[-1] if lines else "no message"


def _actions(attempt: Mapping[str, Any]) -> npt.NDArray[np.float32]:
    flat = np.frombuffer(bytes.fromhex(attempt["actions"]), "<f4")
    return flat.reshape(-1, ACTION_SIZE).astype(np.float32)


def _replay(attempt: Mapping[str, Any], stride: int) -> Iterator[tuple[int, Frames]]:
    """Steps and frames of an attempt, played again.

    Raises:
        DataError: it starts or ends otherwise than its record says.
    """
    actions = _actions(attempt)
    environment = stage_alone(attempt["task"], len(actions))
    observation, _ = environment.reset(seed=attempt["seed"])
    ended = attempt["success"]
    where = f"{attempt['task']}, seed {attempt['seed']}"
    if observation_digest(observation) != attempt["digest"]:
        raise DataError(
            f"{where}: another start state than recorded (another version of MuJoCo or Meta-World?)"
        )
    simulator = environment.tasks[0].simulator
    with _Camera(simulator.model) as camera:
        yield 0, camera.frame(simulator.data)
        success = False
        for step, action in enumerate(actions, start=1):
            success = bool(environment.step(action)[4]["success"])
            if step % stride == 0 or step == len(actions):
                yield step, camera.frame(simulator.data)
            if success and step < len(actions):
                break
        else:
            if success == ended:
                return
    raise DataError(
        f"{where}: its actions do not lead to the recorded end (another version of MuJoCo or Meta-World?); "
        "draw the film where the weights are"
    )


class _Camera:
    """Renders a simulator from a fixed place, without shadows, which take most of the time on a CPU."""

    def __init__(self, model: Any) -> None:
        import mujoco

        self._renderer = mujoco.Renderer(model, SIZE, SIZE)
        self._view = mujoco.MjvCamera()
        self._view.type = mujoco.mjtCamera.mjCAMERA_FREE
        self._view.lookat[:] = LOOK_AT
        self._view.distance, self._view.azimuth, self._view.elevation = DISTANCE, AZIMUTH, ELEVATION
        for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION):
            self._renderer.scene.flags[flag] = 0

    def __enter__(self) -> _Camera:
        return self

    def __exit__(self, *_: object) -> None:
        self._renderer.close()

    def frame(self, data: Any) -> Frames:
        """The scene as it is now, uint8 ``[SIZE, SIZE, 3]``."""
        self._renderer.update_scene(data, self._view)
        image: Frames = self._renderer.render()
        return image


def _probe() -> None:
    import mujoco

    model = mujoco.MjModel.from_xml_string(
        "<mujoco><worldbody><light pos='0 0 2'/><geom size='.1'/></worldbody></mujoco>"
    )
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    with _Camera(model) as camera:
        camera.frame(data)


def _render(folder: Path) -> None:
    request = json.load(sys.stdin)
    try:
        for index, attempt in enumerate(request["attempts"]):
            part = folder / str(index)
            part.mkdir()
            for step, image in _replay(attempt, request["stride"]):
                np.save(part / f"{step:06d}.npy", image, allow_pickle=False)
    except DataError as error:
        (folder / "problem.txt").write_text(str(error), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1] == "probe":
        _probe()
    else:
        _render(Path(sys.argv[2]))
