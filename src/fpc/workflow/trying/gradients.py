"""What every retention method promises of its gradients; see ``fpc.workflow.trying.contract``."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from fpc.retention.interface import RetentionMethod
from fpc.workflow.trying.probe import LATE, MANY, Broken, Trial, values
from fpc.workflow.trying.students import RUNS, numbers

# Added to each of the student's parameters: a term may begin, or end, at a distance from pi*.
DISTANCES = (0.0, 1.0, 3.0, 10.0)
DIRECTIONS = 3  # in which the student moves to see whether a value has a slope


class Place:
    """A method at one update of a run, and the student at some distance from pi*."""

    def __init__(self, trial: Trial, method: RetentionMethod, update: int, is_far: bool) -> None:
        self.trial, self.update, self.is_far = trial, update, is_far
        self._method, self._state, self._resumed = method, trial.saved(method), trial.new()

    def next_term(self, after: int = 0) -> Tensor | None:
        """The penalty in the run itself, which goes on; ``after`` so many updates."""
        return self.trial.penalty(self._method, self.update + after)

    def term(self) -> Tensor | None:
        """The penalty again, after a resume from the state before it."""
        self.trial.restore(self._resumed, self._state)
        return self.trial.penalty(self._resumed, self.update)

    def value(self) -> float:
        """The sum of its values."""
        term = self.term()
        return 0.0 if term is None else float(term.sum().item())


def _any_place(trial: Trial, is_enough: Callable[[Place], bool]) -> bool:
    """Look at the first updates and at late ones, near pi* and far from it, until one is enough.

    A term may be constant at first: it begins late or at a distance, or its coefficient is 0.
    """
    for distance in DISTANCES:
        for updates, following in ((2, (2,)), (MANY, (MANY, *LATE))):
            method = trial.prepared(updates)
            with trial.student_at([value + distance for value in values(trial.case)]):
                if any(is_enough(Place(trial, method, update, distance > 0)) for update in following):
                    return True
    return False


def has_the_gradient_of_its_value(trial: Trial) -> None:
    """Autograd agrees with finite differences, for every parameter, where the value depends on any."""
    seen: dict[int, set[float]] = {}

    def is_right(place: Place) -> bool:
        if _has_right_gradient(place):
            return True
        if math.isfinite(value := place.value()):
            seen.setdefault(place.update, set()).add(value)
        return False

    if not _any_place(trial, is_right) and any(len(found) > 1 for found in seen.values()):
        raise trial.broken(
            "penalty",
            "has a gradient of zero everywhere, although its value changes with the student",
            "comparisons, argmax and rounding have no gradient: use probabilities or distances instead",
        )


def _has_right_gradient(place: Place) -> bool:
    """Whether there is a gradient, which is then the right one (or not finite); not if the value is constant.

    Raises:
        Broken: it is another gradient than the value's.
    """
    trial, first = place.trial, place.next_term()
    if first is None:
        return False
    grads = trial.gradients(first)
    if (following := place.next_term(after=1)) is not None:
        trial.gradients(following)  # as in a run, where the first graph is gone by now
    if not all(value.isfinite().all() for value in (first, *grads)):
        return True  # which is for another promise to say
    has_gradient = any(grad.any() for grad in grads)
    if place.is_far and has_gradient:  # differences of large values are not exact enough
        return True
    if not has_gradient and _is_flat(place):
        return False
    found = [_differences(parameter, trial.case.step, place.value) for parameter in trial.case.parameters]
    if has_gradient and _agree(trial, grads, found):
        return True
    raise _wrong_gradient(place, first, grads, found)


def _wrong_gradient(place: Place, first: Tensor, grads: list[Tensor], found: list[Tensor]) -> Broken:
    """The error about a gradient that is not the one found by differences."""
    trial = place.trial
    if not first.requires_grad:
        return trial.broken(
            "penalty", "has no gradient", "compute it from batch.outputs or the student's parameters"
        )
    shown_both = (
        f"has another gradient than its value: finite differences give {_worst(found, grads)}, "
        f"autograd {_worst(grads, found)}"
    )
    again = place.term()
    if again is not None and _agree(trial, trial.gradients(again), found):
        return trial.broken(
            "penalty",
            f"{shown_both}, but the right one after load_state_dict",
            "something that prepare or an earlier update computed from the student, such as an anchor, is "
            "not detached: keep it as .detach().clone()",
        )
    return trial.broken(
        "penalty",
        shown_both,
        "either a part of the term that depends on the student is detached (do not: no .detach(), .item() or "
        "no_grad there), or something kept from before, such as an anchor, is not (detach it)",
    )


def _agree(trial: Trial, grads: list[Tensor], found: list[Tensor]) -> bool:
    """Whether gradients are those found by finite differences."""
    tolerance = trial.case.tolerance
    largest = max(float(grad.abs().max()) for grad in grads)
    return all(
        bool(((value - grad).abs() <= tolerance * (largest + grad.abs())).all())
        for value, grad in zip(found, grads, strict=True)
    )


def _worst(of: list[Tensor], other: list[Tensor]) -> list[float]:
    """Three numbers of the parameter whose gradients differ most."""
    differences = [float((a - b).abs().max()) for a, b in zip(of, other, strict=True)]
    chosen = of[differences.index(max(differences))]
    return [float(f"{value:.6g}") for value in chosen.flatten().tolist()[:3]]


def has_a_gradient(trial: Trial) -> bool:
    """Whether the term pulls at the student at all, at any update and distance that is looked at."""

    def pulls(place: Place) -> bool:
        term = place.next_term()
        return term is not None and any(bool(grad.any()) for grad in trial.gradients(term))

    return _any_place(trial, pulls)


def keeps_runs_apart(trial: Trial) -> None:
    """A run's value depends on that run's parameters alone."""
    if not trial.runs:
        return
    having: set[int] = set()

    def all_have_gradients(place: Place) -> bool:
        term = place.next_term()
        if term is not None and term.requires_grad:
            having.update(_runs_with_gradient(trial, term))
        return len(having) == RUNS

    _any_place(trial, all_have_gradients)
    if having and len(having) < RUNS:
        run = min(set(range(RUNS)) - having)
        raise trial.broken(
            "penalty",
            f"has no gradient for run {run} at any update that was tried, but one for run {min(having)}",
            "compute each run's value from that run's parameters",
        )


def _runs_with_gradient(trial: Trial, term: Tensor) -> list[int]:
    """The runs whose values depend on their own parameters.

    Raises:
        Broken: one depends on the parameters of others.
    """
    found = []
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
        if any(grad[run].any() for grad in grads):
            found.append(run)
    return found


def _is_flat(place: Place) -> bool:
    """Whether the value has no slope, to first order, in some directions.

    It is constant, or at a minimum: the divergence from the student of the last update is 0 until it moves.
    """
    case, here = place.trial.case, place.value()
    kept = values(case)
    for seed in range(DIRECTIONS):
        direction = [
            numbers(*value.shape, seed=100 * seed + index).to(value.dtype) for index, value in enumerate(kept)
        ]
        both = []
        for step in (case.step, -case.step):
            with place.trial.student_at(
                [value + step * of for value, of in zip(kept, direction, strict=True)]
            ):
                both.append(place.value())
        changes = [abs(value - here) for value in both]
        if abs(both[0] - both[1]) > 0.5 * sum(changes):  # 0 at a minimum; the sum itself on a slope
            return False
    return True


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
