"""RoboticSequence: Meta-World tasks to be solved in sequence (paper, section 4)."""

import glob
import importlib.util
import os
from pathlib import Path


def _find_glfw() -> None:
    """Tell glfw where its library is: it looks with glob, which reads a folder's name ``[a]`` as a pattern.

    Gymnasium imports glfw along with MuJoCo, also where nothing is rendered.
    """
    package = importlib.util.find_spec("glfw")
    folder = Path(package.origin).parent if package is not None and package.origin else None
    if folder is not None and glob.has_magic(str(folder)):
        os.environ.setdefault("PYGLFW_LIBRARY", str(folder / "x11" / "libglfw.so"))


_find_glfw()
