"""An environment in a folder whose name is a pattern to glob: glfw would not find its library there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import glfw


def test_meta_world_is_found_in_a_folder_with_brackets(tmp_path: Path) -> None:
    folder = tmp_path / "it's [a] folder"
    folder.mkdir()
    (folder / "site").symlink_to(Path(glfw.__file__).parents[1])
    program = (
        "import fpc.domains.robotic_sequence.stage, glfw; print(glfw.__file__, glfw.get_version_string()[:1])"
    )
    path = os.pathsep.join([str(folder / "site"), *filter(None, sys.path)])
    made = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr[-2000:]
    assert made.stdout.startswith(str(folder)), "this test needs glfw to be imported from the odd folder"
