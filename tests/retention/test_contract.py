"""The contract of retention methods, checked on small policies with their options from paper.yaml."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fpc.retention.interface import MethodOptions, Need
from fpc.retention.registry import load_method, method_names
from fpc.workflow.loader import load
from fpc.workflow.trying.contract import PROMISES, Trial, small
from fpc.workflow.trying.students import CASES

ROOT = Path(__file__).resolve().parents[2]
# The examples' options, and the cases that each serves.
EXAMPLES: dict[str, dict[str, Any]] = {
    "l2": {"coefficient": 0.1},
    "mas": {"coefficient": 0.1, "batch_size": 8, "batches": 4},
    "slow_anchor": {"coefficient": 1.0, "momentum": 0.75},
    "warm_up": {},
}
SERVED = {
    "l2": frozenset(CASES),
    "mas": frozenset(CASES),
    "slow_anchor": frozenset(CASES) - {"recurrent"},
    "warm_up": frozenset({"one run", "gaussian"}),
}
OFFERED = {
    name: frozenset(Need) if name in ("one run", "gaussian") else frozenset(Need) - {Need.REPLAY_BUFFER}
    for name in CASES
}


def options_of(name: str, case: str) -> MethodOptions:
    """The method's options for one domain, with small numbers of states."""
    if name in EXAMPLES:
        return load_method(name).Options(**EXAMPLES[name])
    paper, scratch = (load("paper", variant, ROOT / "configs").methods for variant in (None, "table_5"))
    domains = dict(paper.get(name) or scratch[name])
    nethack = domains.pop("nethack", None)
    recurrent = nethack is not None and (case == "recurrent" or not domains)
    return small(nethack if recurrent else next(iter(domains.values())))


PAIRS = [
    (name, case)
    for name in method_names()
    for case, offered in OFFERED.items()
    if load_method(name).needs <= offered
]
PAIRS += [(name, case) for name, cases in SERVED.items() for case in CASES if case in cases]


@pytest.mark.usefixtures("example_method")
@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
@pytest.mark.parametrize(("name", "case_name"), PAIRS)
def test_a_method_keeps_its_promise(name: str, case_name: str, promise: Callable[[Trial], None]) -> None:
    promise(Trial(load_method(name), options_of(name, case_name), case_name, CASES[case_name]()))
