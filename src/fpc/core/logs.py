"""Logging for the command line: one line per event, on standard error."""

from __future__ import annotations

import logging

DVC = ("dvc", "dvc_objects", "dvc_data")  # these do their own printing


def configure(verbose: bool = False) -> None:
    """Show this package's log messages, debug messages too if ``verbose``."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", datefmt="%H:%M:%S")
    for name in DVC:
        logging.getLogger(name).propagate = False
    logging.getLogger("fpc").setLevel(logging.DEBUG if verbose else logging.INFO)
