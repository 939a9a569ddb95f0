"""Signals: recorded within a deferring block, raised elsewhere, and raised immediately the second time."""

from __future__ import annotations

import subprocess
import sys

import pytest

START = """
import os, signal
from fpc.core import interruption
interruption.install()
def send(number=signal.SIGTERM): os.kill(os.getpid(), number)
"""


@pytest.mark.parametrize(
    ("program", "printed"),
    [
        ("send(); print('went on')", "Interrupted SIGTERM"),
        ("send(signal.SIGINT)", "Interrupted SIGINT"),
        ("with interruption.deferred(): send(); print('saved')", "saved\nInterrupted SIGTERM"),
        ("with interruption.deferred(): send(); send(signal.SIGINT); print('no')", "Interrupted SIGINT"),
        ("with interruption.deferred(): print('quiet')\nprint(interruption.received())", "quiet\nNone"),
        ("with interruption.deferred(): pass\nsend(); print('no')", "Interrupted SIGTERM"),
    ],
)
def test_a_signal_is_raised_or_deferred(program: str, printed: str) -> None:
    body = "".join(f"    {line}\n" for line in program.splitlines())
    whole = f"{START}\ntry:\n{body}except interruption.Interrupted as error: print('Interrupted', error)\n"
    finished = subprocess.run([sys.executable, "-c", whole], capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == printed
