"""Where DVC keeps the files that it links into the results."""

from __future__ import annotations

from functools import cache
from pathlib import Path

DVC = Path(".dvc")


def cache_folder() -> Path:
    """DVC's cache, as its configuration of the system, the user, the project and this clone says.

    Without a setting, or if the configuration cannot be read, ``.dvc/cache``.
    """
    return _cache_folder(Path.cwd())


@cache
def _cache_folder(project: Path) -> Path:
    from dvc.config import Config
    from dvc.exceptions import DvcException

    try:
        settings = Config(dvc_dir=str(project / DVC), validate=False)
        options = settings.get("cache", {})
        remote = settings.get("remote", {}).get(options.get("local"), {})
        folder = remote.get("url") or options.get("dir") or DVC / "cache"
    except (DvcException, OSError):
        folder = DVC / "cache"
    return (project / folder).resolve()
