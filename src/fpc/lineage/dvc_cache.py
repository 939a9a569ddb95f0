"""Where DVC keeps the files that it links into the results."""

from __future__ import annotations

from pathlib import Path

DVC = Path(".dvc")


def cache_folder() -> Path:
    """DVC's cache, as its configuration of the system, the user, the project and this clone says.

    Without a setting, or if the configuration cannot be read, ``.dvc/cache``.
    """
    from dvc.config import Config
    from dvc.exceptions import DvcException

    try:
        settings = Config(dvc_dir=str(DVC), validate=False)
        cache = settings.get("cache", {})
        remote = settings.get("remote", {}).get(cache.get("local"), {})
        folder = remote.get("url") or cache.get("dir") or DVC / "cache"
    except (DvcException, OSError):
        folder = DVC / "cache"
    return Path(folder).resolve()
