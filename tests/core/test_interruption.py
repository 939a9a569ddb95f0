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
HANGUP = "saved\nInterrupted SIGHUP"  # a session that ends sends SIGTERM too
XCPU = "saved\nInterrupted SIGXCPU"  # the system repeats it every second until the hard limit

NESTED = """with interruption.deferred():
    with interruption.deferred(): send(); print('inner')
    print('outer')"""


@pytest.mark.parametrize(
    ("program", "printed"),
    [
        ("send(); print('went on')", "Interrupted SIGTERM"),
        ("send(signal.SIGINT)", "Interrupted SIGINT"),
        ("with interruption.deferred(): send(); print('saved')", "saved\nInterrupted SIGTERM"),
        ("with interruption.deferred(): send(); send(signal.SIGINT); print('no')", "Interrupted SIGINT"),
        (NESTED, "inner\nouter\nInterrupted SIGTERM"),
        ("with interruption.deferred(): print('quiet')\nprint(interruption.received())", "quiet\nNone"),
        ("with interruption.deferred(): pass\nsend(); print('no')", "Interrupted SIGTERM"),
        ("send(signal.SIGHUP)", "Interrupted SIGHUP"),
        ("with interruption.deferred(): send(signal.SIGUSR1); print('saved')", "saved\nInterrupted SIGUSR1"),
        ("with interruption.deferred(): send(signal.SIGXCPU); send(signal.SIGXCPU); print('saved')", XCPU),
        ("with interruption.deferred(): send(signal.SIGUSR2); send(signal.SIGINT)", "Interrupted SIGINT"),
        ("with interruption.deferred(): send(signal.SIGHUP); send(); print('saved')", HANGUP),
        ("with interruption.deferred(): send(); send(); print('no')", "Interrupted SIGTERM"),
    ],
)
def test_a_signal_is_raised_or_deferred(program: str, printed: str) -> None:
    body = "".join(f"    {line}\n" for line in program.splitlines())
    whole = f"{START}\ntry:\n{body}except interruption.Interrupted as error: print('Interrupted', error)\n"
    finished = subprocess.run([sys.executable, "-c", whole], capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == printed


def test_nohup_stays_in_force() -> None:
    program = f"{START}send(signal.SIGHUP); print('went on')"
    nohup = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh"]
    finished = subprocess.run(
        [*nohup, sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert finished.stdout == "went on\n"


@pytest.mark.parametrize("name", ["SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU"])
def test_what_starts_runs_takes_warnings_as_sigterm(name: str) -> None:
    program = (
        "import os, signal\nfrom fpc.core import interruption\n"
        "interruption.pass_on_warnings()\n"
        "signal.signal(signal.SIGTERM, lambda *_: print('waits for its runs'))\n"
        f"os.kill(os.getpid(), signal.{name})"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert finished.stdout == "waits for its runs\n"
