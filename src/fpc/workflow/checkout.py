"""The checkout that a command works in: its top folder, which all paths are relative to."""

from __future__ import annotations

import shlex
from pathlib import Path

from fpc.core.errors import ConfigError

MARK = Path("configs", "paper.yaml")  # no scale can be read without it


def require_checkout() -> None:
    """Check that the current folder is the top folder of a checkout.

    A command inside one is refused as well, because the paths given to it could mean either folder.

    Raises:
        ConfigError: it is not; the text names the folder to change to, where there is one above.
    """
    try:
        here = Path.cwd()
    except FileNotFoundError as error:
        raise ConfigError("the current folder was deleted; change to your checkout of FPC") from error
    if (here / MARK).is_file():
        return
    top = next((folder for folder in here.parents if (folder / MARK).is_file()), None)
    if top is not None:
        raise ConfigError(
            f"{here} is inside a checkout of FPC; run the command in its top folder: "
            f"cd {shlex.quote(str(top))}"
        )
    raise ConfigError(
        f"{here} is no checkout of FPC: it has no {MARK}; change to the folder into which you cloned FPC"
    )
