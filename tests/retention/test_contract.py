"""The contract of retention methods, checked on small policies with their options from paper.yaml."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from ruamel.yaml import YAML
from torch import Tensor

from fpc.retention.interface import MethodOptions, Need, RetentionMethod
from fpc.retention.registry import load_method, method_names
from fpc.workflow.loader import load

from .contract import CASES, Case

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = "l2"
SMALL = 8  # upper bound for options that count states or batches
OFFERED = {
    "one run": frozenset(Need),
    "side by side": frozenset(Need) - {Need.REPLAY_BUFFER},
    "recurrent": frozenset(Need) - {Need.REPLAY_BUFFER},
}


def options_of(name: str, case: str) -> MethodOptions:
    """The method's options for one domain, with small numbers of states."""
    if name == EXAMPLE:
        overlay = YAML(typ="safe").load(ROOT / "examples" / "l2.yaml")
        domains = {key: load_method(name).Options(**value) for key, value in overlay["methods"][name].items()}
    else:
        paper, scratch = (load("paper", variant, ROOT / "configs").methods for variant in (None, "table_5"))
        domains = dict(paper.get(name) or scratch[name])
    nethack = domains.pop("nethack", None)
    recurrent = nethack is not None and (case == "recurrent" or not domains)
    options = nethack if recurrent else next(iter(domains.values()))
    small = {
        key: min(value, SMALL) if isinstance(value, int) else value
        for key, value in options.model_dump().items()
    }
    if "memory_size" in small:
        small["memory_size"] = SMALL
    return type(options).model_validate(small)


PAIRS = [
    (name, case)
    for name in method_names()
    for case, offered in OFFERED.items()
    if load_method(name).needs <= offered
]
PAIRS += [(EXAMPLE, case) for case in OFFERED]
SIDE_BY_SIDE = [name for name, case in PAIRS if case == "side by side"]
pytestmark = pytest.mark.usefixtures("example_method")
every_pair = pytest.mark.parametrize(("name", "case_name"), PAIRS)


def prepared(name: str, case_name: str, case: Case) -> RetentionMethod:
    """The method, anchored at parameters near the student's, after two updates."""
    method = load_method(name)(options_of(name, case_name))
    kept = [value.detach().clone() for value in case.parameters]
    with torch.no_grad():
        for value in case.parameters:
            value.add_(0.25)
        method.prepare(case.new_context())
        for value, before in zip(case.parameters, kept, strict=True):
            value.copy_(before)
    for update in range(2):
        method.penalty(case.batch(update))
    return method


def saved(method: RetentionMethod) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in method.state_dict().items()}


def same(first: Tensor | None, second: Tensor | None) -> bool:
    return first is second is None or (
        first is not None and second is not None and torch.equal(first, second)
    )


@every_pair
def test_a_penalty_has_no_side_effects(name: str, case_name: str) -> None:
    case = CASES[case_name]()
    answers = case.answers()
    method = prepared(name, case_name, case)
    state, parameters = saved(method), [value.detach().clone() for value in case.parameters]
    generators = (torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate())  # noqa: NPY002
    first = method.penalty(case.batch(2))
    method.load_state_dict(state, case.new_context())
    again = method.penalty(case.batch(2))
    assert same(first, again)
    assert torch.equal(torch.get_rng_state(), generators[0])
    assert np.random.get_state()[1].tolist() == generators[1]  # noqa: NPY002
    assert random.getstate() == generators[2]
    assert all(torch.equal(*both) for both in zip(case.parameters, parameters, strict=True))
    assert all(torch.equal(*both) for both in zip(case.answers(), answers, strict=True))
    assert all(value.grad is None for value in case.parameters)


@every_pair
def test_a_method_says_whether_it_adds_a_term(name: str, case_name: str) -> None:
    case = CASES[case_name]()
    penalty = prepared(name, case_name, case).penalty(case.batch(2))
    assert (penalty is not None) == load_method(name).adds_term


@every_pair
def test_a_resumed_method_continues_identically(name: str, case_name: str) -> None:
    case = CASES[case_name]()
    method = prepared(name, case_name, case)
    resumed = load_method(name)(method.options)
    resumed.load_state_dict(saved(method), case.new_context())
    for update in range(2, 6):
        assert same(resumed.penalty(case.batch(update)), method.penalty(case.batch(update)))
    assert saved(resumed).keys() == saved(method).keys()
    assert all(torch.equal(value, saved(method)[key]) for key, value in saved(resumed).items())


@every_pair
def test_the_gradient_matches_finite_differences(name: str, case_name: str) -> None:
    case = CASES[case_name]()
    method = prepared(name, case_name, case)
    state = saved(method)

    def penalty() -> Tensor | None:
        method.load_state_dict(state, case.new_context())
        return method.penalty(case.batch(2))

    term = penalty()
    if term is None:  # then it always is
        assert all(method.penalty(case.batch(update)) is None for update in range(5))
        return
    assert term.isfinite().all()
    grads = torch.autograd.grad(term.sum(), case.parameters, allow_unused=True, materialize_grads=True)
    largest = max(float(grad.abs().max()) for grad in grads)
    assert largest > 0
    for parameter, grad in zip(case.parameters, grads, strict=True):
        flat = parameter.data.view(-1)
        for index, expected in enumerate(grad.flatten().tolist()):
            values = []
            kept = float(flat[index])
            for sign in (1, -1):
                flat[index] = kept + sign * case.step
                values.append(penalty().sum().item())  # type: ignore[union-attr]
            flat[index] = kept
            difference = (values[0] - values[1]) / (2 * case.step)
            assert difference == pytest.approx(expected, rel=case.tolerance, abs=case.tolerance * largest)


@pytest.mark.parametrize("name", SIDE_BY_SIDE)
def test_parallel_runs_have_independent_penalties(name: str) -> None:
    """One value per run, which depends only on that run's parameters."""
    case = CASES["side by side"]()
    method = prepared(name, "side by side", case)
    term = method.penalty(case.batch(2))
    if term is None:
        return
    assert term.shape == (3,)
    for run in range(3):
        grads = torch.autograd.grad(
            term[run], case.parameters, retain_graph=True, allow_unused=True, materialize_grads=True
        )
        for grad in grads:
            others = torch.arange(3) != run
            assert not grad[others].any()
        assert any(grad[run] != 0 for grad in grads)
