"""What every retention method promises of its gradients; see ``fpc.workflow.trying.contract``."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from fpc.workflow.trying.probe import Trial
from fpc.workflow.trying.students import RUNS


def has_the_gradient_of_its_value(trial: Trial) -> None:
    """Autograd agrees with finite differences, for every parameter."""
    case, method = trial.case, trial.prepared()
    state = trial.saved(method)
    first = trial.penalty(method, 2)
    if first is None:
        return
    if not first.requires_grad:
        raise trial.broken(
            "penalty", "has no gradient", "compute it from batch.outputs or the student's parameters"
        )
    grads = trial.gradients(first)
    if (following := trial.penalty(method, 3)) is not None:
        trial.gradients(following)  # as in a run, where the first graph is gone by now

    def term() -> Tensor:
        trial.restore(method, state)
        return trial.penalty(method, 2)  # type: ignore[return-value]

    found = [
        _differences(parameter, case.step, lambda: float(term().sum().item()))
        for parameter in case.parameters
    ]
    if _agree(trial, grads, found):
        if not any(grad.any() for grad in grads):
            raise trial.broken(
                "penalty", "has a gradient of zero everywhere", "check what it is computed from"
            )
        return
    shown_both = (
        f"has another gradient than its value: finite differences give {_worst(found, grads)}, "
        f"autograd {_worst(grads, found)}"
    )
    if _agree(trial, trial.gradients(term()), found):
        raise trial.broken(
            "penalty",
            f"{shown_both}, but the right one after load_state_dict",
            "something that prepare or an earlier update computed from the student, such as an anchor, is "
            "not detached: keep it as .detach().clone()",
        )
    raise trial.broken(
        "penalty",
        shown_both,
        "either a part of the term that depends on the student is detached (do not: no .detach(), .item() or "
        "no_grad there), or something kept from before, such as an anchor, is not (detach it)",
    )


def _agree(trial: Trial, grads: list[Tensor], found: list[Tensor]) -> bool:
    """Whether gradients are those found by finite differences."""
    tolerance = trial.case.tolerance
    largest = max(float(grad.abs().max()) for grad in grads)
    smallest = largest or 1.0  # differences of a constant are rounding errors
    return all(
        bool(((value - grad).abs() <= tolerance * (smallest + grad.abs())).all())
        for value, grad in zip(found, grads, strict=True)
    )


def _worst(of: list[Tensor], other: list[Tensor]) -> list[float]:
    """Three numbers of the parameter whose gradients differ most."""
    differences = [float((a - b).abs().max()) for a, b in zip(of, other, strict=True)]
    chosen = of[differences.index(max(differences))]
    return [float(f"{value:.6g}") for value in chosen.flatten().tolist()[:3]]


def keeps_runs_apart(trial: Trial) -> None:
    """A run's value depends on that run's parameters alone."""
    if not trial.runs:
        return
    term = trial.penalty(trial.prepared(), 2)
    if term is None:
        return
    for run in range(RUNS):
        grads = torch.autograd.grad(
            term[run], trial.case.parameters, retain_graph=True, allow_unused=True, materialize_grads=True
        )
        others = torch.arange(RUNS) != run
        if any(grad[others].any() for grad in grads):
            raise trial.broken(
                "penalty",
                f"mixes runs: the value of run {run} depends on parameters of others",
                "reduce over the last dimensions alone",
            )
        if not any(grad[run].any() for grad in grads):
            raise trial.broken(
                "penalty",
                f"has no gradient for run {run}, whose value it gives",
                "compute each run's value from that run's parameters",
            )


def _differences(parameter: torch.nn.Parameter, step: float, value: Callable[[], float]) -> Tensor:
    """Central differences of a value by each number of a parameter."""
    flat, found = parameter.data.view(-1), torch.zeros_like(parameter.data).view(-1)
    for index in range(len(flat)):
        kept = float(flat[index])
        both = []
        for sign in (1, -1):
            flat[index] = kept + sign * step
            both.append(value())
        flat[index] = kept
        found[index] = (both[0] - both[1]) / (2 * step)
    return found.view_as(parameter)
