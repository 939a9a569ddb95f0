"""Logging of the command line: one line an event, to standard error."""

from __future__ import annotations

import logging

DVC = ("dvc", "dvc_objects", "dvc_data")  # these print by themselves


def configure(verbose: bool = False) -> None:
    """Show this package's messages."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", datefmt="%H:%M:%S")
    for name in DVC:
        logging.getLogger(name).propagate = False
    logging.getLogger("fpc").setLevel(logging.DEBUG if verbose else logging.INFO)
