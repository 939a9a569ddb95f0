"""Variables that other projects left in a shell's profile do not reach a run."""

from __future__ import annotations

import os
import subprocess
import sys

PROGRAM = """
import sys
from fpc.cli.main import main
sys.argv = ["fpc", "--help"]
try:
    main()
except SystemExit:
    from fpc.domains.montezuma.emulator import rom_digest
    import mujoco
    print(rom_digest())
"""


def digest(**variables: str) -> str:
    """The last line that a command prints: the digest of the ROM, once MuJoCo is loaded too."""
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    return finished.stdout.splitlines()[-1]


def test_folders_of_roms_and_settings_of_renderers_are_not_in_the_way() -> None:
    usual = digest()
    assert len(usual) == 64
    assert digest(MUJOCO_GL="mesa", PYOPENGL_PLATFORM="wgl", ALE_ROMS_DIR="/nowhere") == usual
