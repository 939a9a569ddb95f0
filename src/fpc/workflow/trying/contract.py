"""What every retention method promises (see ``fpc.retention.interface``), checked on small students.

A method may refuse a kind of student in ``prepare`` with a ValueError; that breaks no promise.
"""

from __future__ import annotations

import inspect
import random
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fpc.core.errors import ConfigError
from fpc.retention.interface import MethodOptions, RetentionMethod
from fpc.workflow.trying.students import CASES, RUNS, Case

SMALL = 8  # upper bound for options that count states or batches
UPDATES = 6  # of a trial; the state is saved after the first two


class Broken(ConfigError):
    """A method breaks a promise; the text names file, line, what is wrong and the remedy."""


class Refused(Exception):
    """A method does not serve this kind of student; the text is its own."""


@dataclass(frozen=True)
class Trial:
    """One method on one student."""

    method_class: type[RetentionMethod]
    options: MethodOptions
    name: str  # of the case
    case: Case

    @property
    def file(self) -> Path:
        """The file that defines the method, relative to the current folder if it is there."""
        path = Path(inspect.getfile(self.method_class))
        return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path

    def broken(self, function: str, what: str, remedy: str, line: int | None = None) -> Broken:
        """The error about one of the method's functions."""
        at = line or inspect.getsourcelines(getattr(self.method_class, function))[1]
        return Broken(
            f"{self.file}:{at}: {function} {what} (checked on a student of kind '{self.name}'); {remedy}"
        )

    @contextmanager
    def calling(self, function: str) -> Iterator[None]:
        """Turn whatever the method raises into one message with its line."""
        try:
            yield
        except Refused:
            raise
        except Exception as error:
            lines = [
                at.lineno
                for at in traceback.extract_tb(error.__traceback__)
                if Path(at.filename) == self.file.resolve()
            ]
            said = f"{type(error).__name__}: {error}"
            raise self.broken(
                function, f"fails with {said}", "correct this line", lines[-1] if lines else None
            ) from error

    def prepared(self) -> RetentionMethod:
        """The method, anchored at parameters near the student's, after two updates."""
        method, case = self.method_class(self.options), self.case
        kept = [value.detach().clone() for value in case.parameters]
        with torch.no_grad():
            for value in case.parameters:
                value.add_(0.25)
        with self.calling("prepare"):
            try:
                method.prepare(case.new_context())
            except ValueError as error:
                raise Refused(str(error)) from error
        with torch.no_grad():
            for value, before in zip(case.parameters, kept, strict=True):
                value.copy_(before)
        for update in range(2):
            self.penalty(method, update)
        return method

    def penalty(self, method: RetentionMethod, update: int) -> Tensor | None:
        """The method's penalty at an update."""
        with self.calling("penalty"):
            return method.penalty(self.case.batch(update))

    def saved(self, method: RetentionMethod) -> dict[str, Tensor]:
        """A copy of its state."""
        with self.calling("state_dict"):
            return {name: value.clone() for name, value in method.state_dict().items()}

    def restore(self, method: RetentionMethod, state: dict[str, Tensor]) -> None:
        """Put a state into the method, with a new context."""
        with self.calling("load_state_dict"):
            method.load_state_dict(
                {name: value.clone() for name, value in state.items()}, self.case.new_context()
            )


def small(options: MethodOptions) -> MethodOptions:
    """The same options with few states and batches, where their bounds allow it."""
    values = options.model_dump()
    fewer = {
        key: min(value, SMALL) if type(value) is int and key != "steps" else value
        for key, value in values.items()
    }
    try:
        return type(options).model_validate(fewer)
    except ValueError:
        return options


def check(method_class: type[RetentionMethod], options: MethodOptions, case_name: str) -> None:
    """Check all promises on one kind of student.

    Args:
        method_class: the method.
        options: its options; counts are reduced.
        case_name: a key of ``CASES``.

    Raises:
        Broken: the first promise that the method breaks.
        Refused: the method does not serve this kind of student.
    """
    for promise in PROMISES:
        promise(Trial(method_class, small(options), case_name, CASES[case_name]()))


def has_no_side_effects(trial: Trial) -> None:
    """A penalty is a function of state and batch, and changes nothing but the method's own state."""
    case = trial.case
    answers = case.answers()
    method = trial.prepared()
    state, parameters, generators = trial.saved(method), _values(case), _generators()
    first = trial.penalty(method, 2)
    trial.restore(method, state)
    again = trial.penalty(method, 2)
    if not _same(first, again):
        raise trial.broken(
            "penalty",
            f"changes hidden state: a batch gave {_shown(first)}, and after load_state_dict {_shown(again)}",
            "keep whatever changes between updates in state_dict, and draw from context.generator alone",
        )
    changed = {
        "a global random generator": _generators() != generators,
        "the student's parameters": not _equal(_values(case), parameters),
        "the answers of a policy or of the expert data": not _equal(case.answers(), answers),
        "a parameter's .grad": any(value.grad is not None for value in case.parameters),
    }
    if found := [what for what, is_changed in changed.items() if is_changed]:
        raise trial.broken("penalty", f"changes {found[0]}", "compute the term without changing its inputs")


def says_whether_it_adds_a_term(trial: Trial) -> None:
    """``adds_term`` is whether there is a penalty, at every update."""
    method, says = trial.prepared(), trial.method_class.adds_term
    for update in range(2, UPDATES):
        found = trial.penalty(method, update) is not None
        if found != says:
            gives = "returns a term" if found else "returns None"
            raise trial.broken(
                "penalty", f"{gives} at update {update}, but adds_term is {says}", f"set adds_term = {found}"
            )


def is_one_finite_value_per_run(trial: Trial) -> None:
    """The term has one finite value for each run."""
    term = trial.penalty(trial.prepared(), 2)
    if term is None:
        return
    runs = (RUNS,) if trial.name == "side by side" else ()
    if not isinstance(term, Tensor) or term.shape != runs:
        shape = list(term.shape) if isinstance(term, Tensor) else type(term).__name__
        raise trial.broken(
            "penalty",
            f"ignores runs: it gives {shape} where {list(runs)} is due",
            "reduce over the last dimensions alone: the first context.run_dimensions index runs",
        )
    if not term.isfinite().all():
        raise trial.broken(
            "penalty", f"is not finite: {_shown(term)}", "keep logarithms and quotients bounded"
        )


def continues_after_a_resume(trial: Trial) -> None:
    """A new instance with the saved state gives the same penalties, and has the same state at the end."""
    method = trial.prepared()
    state = trial.saved(method)
    resumed = trial.method_class(trial.options)
    trial.restore(resumed, state)
    for update in range(2, UPDATES):
        first, again = trial.penalty(method, update), trial.penalty(resumed, update)
        if not _same(first, again):
            raise trial.broken(
                "state_dict",
                f"does not survive a resume: penalty {update} is {_shown(first)}, resumed {_shown(again)}",
                "put what prepare creates and what changes between updates into state_dict",
            )
    then, now = trial.saved(method), trial.saved(resumed)
    if then.keys() != now.keys() or not _equal(list(then.values()), list(now.values())):
        raise trial.broken("load_state_dict", "restores another state", "restore every tensor of state_dict")


def has_the_gradient_of_its_value(trial: Trial) -> None:
    """Autograd agrees with finite differences, for every parameter."""
    case, method = trial.case, trial.prepared()
    state = trial.saved(method)

    def term() -> Tensor | None:
        trial.restore(method, state)
        return trial.penalty(method, 2)

    first = term()
    if first is None:
        return
    if not first.requires_grad:
        raise trial.broken(
            "penalty", "has no gradient", "compute it from batch.outputs or the student's parameters"
        )
    grads = torch.autograd.grad(first.sum(), case.parameters, allow_unused=True, materialize_grads=True)
    largest = max(float(grad.abs().max()) for grad in grads)
    if largest == 0:
        raise trial.broken("penalty", "has a gradient of zero everywhere", "check what it is computed from")
    for parameter, grad in zip(case.parameters, grads, strict=True):
        found = _differences(parameter, case.step, lambda: float(term().sum().item()))  # type: ignore[union-attr]
        allowed = case.tolerance * largest + case.tolerance * grad.abs()
        if ((found - grad).abs() > allowed).any():
            raise trial.broken(
                "penalty",
                "has another gradient than its value: finite differences give "
                f"{found.flatten().tolist()[:3]}, autograd {grad.flatten().tolist()[:3]}",
                "do not detach what the term depends on",
            )


def keeps_runs_apart(trial: Trial) -> None:
    """A run's value depends on that run's parameters alone."""
    if trial.name != "side by side":
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


PROMISES: tuple[Callable[[Trial], None], ...] = (
    says_whether_it_adds_a_term,
    is_one_finite_value_per_run,
    has_no_side_effects,
    continues_after_a_resume,
    has_the_gradient_of_its_value,
    keeps_runs_apart,
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


def _values(case: Case) -> list[Tensor]:
    return [value.detach().clone() for value in case.parameters]


def _generators() -> tuple[Any, ...]:
    numbers = np.random.get_state(legacy=False)["state"]  # noqa: NPY002
    return torch.get_rng_state().tolist(), str(numbers), random.getstate()


def _equal(first: list[Tensor], second: list[Tensor]) -> bool:
    return all(torch.equal(*both) for both in zip(first, second, strict=True))


def _same(first: Tensor | None, second: Tensor | None) -> bool:
    if first is None or second is None:
        return first is second
    return torch.equal(first, second)


def _shown(term: Tensor | None) -> str:
    return (
        "None"
        if term is None
        else ", ".join(f"{value:.6g}" for value in term.detach().flatten().tolist()[:3])
    )
