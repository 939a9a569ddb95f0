"""What every retention method promises, one function each; see ``fpc.workflow.trying.contract``."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fpc.workflow.trying.gradients import has_the_gradient_of_its_value, keeps_runs_apart
from fpc.workflow.trying.probe import (
    BOUND,
    LATE,
    MANY,
    NEEDS_OF,
    Broken,
    Refused,
    Trial,
    equal,
    equal_states,
    same,
    shown,
    values,
)
from fpc.workflow.trying.students import feedforward

UPDATES = 6  # of a trial; the state is saved after the first two


def needs_only_what_it_declares(trial: Trial) -> None:
    """The method works with what its ``needs`` declare: nothing else is handed out."""
    try:
        trial.prepared()
    except (Broken, Refused):
        undeclared = {name: NEEDS_OF[name] - trial.method_class.needs for name in sorted(trial.lacked)}
        undeclared = {name: needs for name, needs in undeclared.items() if needs}
        if not undeclared or not _is_reason(trial, "replay_buffer" in undeclared):
            raise
        name, needs = next(iter(undeclared.items()))
        of = "batch" if name == "teacher_outputs" else "context"
        listed = " and ".join(f"Need.{need.name}" for need in sorted(needs))
        raise trial.broken(
            "needs",
            f"does not declare {listed}, so {of}.{name} is None, but the method uses it",
            f"add {listed} to needs",
        ) from None


def _is_reason(trial: Trial, uses_buffer: bool) -> bool:
    """Whether a method fails because of what it was not given: it does not fail if it is given that.

    A kind of student without a replay buffer cannot give it; one that has everything shows it instead.
    """
    if uses_buffer and trial.case.new_context().replay_buffer is None:
        trial = replace(trial, name="one run", case=feedforward())
        return _fails(trial) and not _fails(replace(trial, gives_all=True))
    return not _fails(replace(trial, gives_all=True))


def _fails(trial: Trial) -> bool:
    """Whether the first updates raise anything."""
    try:
        replace(trial, lacked=set()).prepared()
    except (Broken, Refused):
        return True
    return False


def says_whether_it_adds_a_term(trial: Trial) -> None:
    """``adds_term`` is whether there is a penalty at any update."""
    says = trial.method_class.adds_term
    update = next((update for update, term in _penalties(trial) if term is not None), None)
    if update is not None and not says:
        raise trial.broken(
            "penalty", f"returns a term at update {update}, but adds_term is False", "set adds_term = True"
        )
    if update is None and says:
        raise trial.broken(
            "penalty",
            f"returns None at every update that was tried (0 to {MANY - 1} and late ones up to {LATE[-1]}), "
            "but adds_term is True",
            "return a term, or set adds_term = False if it never does",
        )


def _penalties(trial: Trial) -> Iterator[tuple[int, Tensor | None]]:
    """Those of a run: its first updates and late ones, with their numbers."""
    method = trial.prepared(updates=0)
    for update in (*range(MANY), *LATE):
        yield update, trial.penalty(method, update)


def is_one_finite_value_per_run(trial: Trial) -> None:
    """The term has one finite value for each run."""
    term = trial.penalty(trial.prepared(), 2)
    _check_values(trial, term, 2, "keep logarithms and quotients bounded")


def stays_finite(trial: Trial) -> None:
    """So it does in the first updates of a run and at late ones, with a finite gradient."""
    if trial.method_class.pretrained:  # otherwise the student is never pi*
        with trial.student_at(trial.case.pi_star):
            first = trial.penalty(trial.prepared(updates=0, shift=0), 0)
            remedy = (
                "at first the student is pi*: keep roots, logarithms and quotients away from 0, "
                "as in (x + 1e-8).sqrt()"
            )
            _check_values(trial, first, 0, remedy)
            _check_gradient(trial, first, 0, remedy)
    for update, term in _penalties(trial):
        _check_values(trial, term, update, BOUND)
        if update in LATE:
            _check_gradient(trial, term, update, BOUND)


def _check_values(trial: Trial, term: Tensor | None, update: int, remedy: str) -> None:
    if term is None:
        return
    if list(term.shape) != trial.runs:
        what = "ignores runs: it" if trial.runs else "is not one number: it"
        raise trial.broken(
            "penalty",
            f"{what} gives {list(term.shape)} where {trial.runs} is due",
            "reduce over the last dimensions alone: the first context.run_dimensions index runs",
        )
    if not term.isfinite().all():
        raise trial.broken("penalty", f"is not finite at update {update}: {shown(term)}", remedy)


def _check_gradient(trial: Trial, term: Tensor | None, update: int, remedy: str) -> None:
    if term is not None and not all(grad.isfinite().all() for grad in trial.gradients(term)):
        raise trial.broken(
            "penalty",
            f"has a gradient that is not finite at update {update}, where its value is {shown(term)}",
            remedy,
        )


def changes_nothing_else(trial: Trial) -> None:
    """Preparing a method and computing a penalty change nothing but the method's own state."""
    case = trial.case
    parameters, answers, generators = values(case), case.answers(), _generators()

    def check_after(function: str) -> None:
        changed = (
            (
                "the student's parameters",
                not equal(values(case), parameters),
                "leave that to the learner: return a term, and compute on copies (.detach().clone())",
            ),
            (
                "a global random generator",
                _generators() != generators,
                "draw from context.generator alone",
            ),
            (
                "the answers of a policy or of the expert data",
                not equal(case.answers(), answers),
                "compute on copies (.detach().clone())",
            ),
            (
                "a parameter's .grad",
                any(value.grad is not None for value in case.parameters),
                "use torch.autograd.grad instead of backward()",
            ),
        )
        for what, is_changed, remedy in changed:
            if is_changed:
                raise trial.broken(function, f"changes {what}", remedy)

    method = trial.prepared(updates=0)
    check_after("prepare")
    for update in (*range(UPDATES), *LATE):
        trial.penalty(method, update)
    check_after("penalty")


def keeps_copies(trial: Trial) -> None:
    """The state consists of copies: no parameter of the student is in it, and no graph."""
    for name, value in trial.state(trial.prepared()).items():
        if value.grad_fn is None and not _is_students(trial, value):
            continue
        what = (
            f"keeps the student's own parameters as '{name}', which change with it"
            if _is_students(trial, value)
            else f"keeps '{name}' with the graph of the student's parameters, so a gradient flows through it"
        )
        function = "prepare" if _is_there_at_first(trial, name) else "penalty"
        raise trial.broken(function, what, "keep a copy: .detach().clone()")


def _is_students(trial: Trial, value: Tensor) -> bool:
    """Whether a tensor is a parameter of the student or shares its memory."""
    storages = {parameter.untyped_storage().data_ptr() for parameter in trial.case.parameters}
    return value.numel() > 0 and value.untyped_storage().data_ptr() in storages


def _is_there_at_first(trial: Trial, name: str) -> bool:
    """Whether ``prepare`` already keeps this tensor with a graph, or the student's own."""
    try:
        found = trial.state(trial.prepared(updates=0)).get(name)
    except Broken:
        return False
    return found is not None and (found.grad_fn is not None or _is_students(trial, found))


def depends_on_state_and_batch(trial: Trial) -> None:
    """With the state loaded again, a batch gives the same penalty again."""
    method = trial.prepared()
    for update in (2, *LATE):
        state = trial.saved(method)
        first = trial.penalty(method, update)
        trial.restore(method, state)
        again = trial.penalty(method, update)
        if not same(first, again):
            raise _forgetful(trial, state, update, first, again)


def _forgetful(
    trial: Trial, state: dict[str, Tensor], update: int, first: Tensor | None, again: Tensor | None
) -> Broken:
    """The error about a batch that gives another penalty after its state is loaded again."""
    gave = f"a batch gave {shown(first)}, and after load_state_dict {shown(again)}"
    if _is_lost(trial, state, update, first):
        return trial.broken(
            "load_state_dict",
            f"loses state: {gave}; state_dict gives {', '.join(state) or 'nothing'}",
            "return what prepare creates and what changes between updates from state_dict, and restore it "
            "from there: a resumed student is no longer pi*",
        )
    return trial.broken(
        "penalty",
        f"changes hidden state: {gave}",
        "keep whatever changes between updates in state_dict, and draw from context.generator alone",
    )


def _is_lost(trial: Trial, state: dict[str, Tensor], update: int, first: Tensor | None) -> bool:
    """Whether loading a state at once, before any penalty changes it, gives another penalty."""
    at_once = trial.prepared()
    trial.restore(at_once, state)
    return same(trial.penalty(trial.prepared(), update), first) and not same(
        trial.penalty(at_once, update), first
    )


def continues_after_a_resume(trial: Trial) -> None:
    """A new instance with the saved state gives the same penalties, and has the same state at the end."""
    method = trial.prepared()
    state = trial.saved(method)
    resumed = trial.new()
    trial.restore(resumed, state)
    remedy = (
        "put what prepare creates and what changes between updates into state_dict (or take it from the "
        "context of load_state_dict again, such as the teacher)"
    )
    for update in (*range(2, UPDATES), *LATE):
        first = trial.penalty(method, update)
        again = trial.penalty(
            resumed, update, " after a resume", f"{remedy}, and restore it in load_state_dict"
        )
        if not same(first, again):
            raise trial.broken(
                "state_dict",
                f"does not survive a resume: penalty {update} is {shown(first)}, resumed {shown(again)}",
                remedy,
            )
    if not equal_states(trial.saved(method), trial.saved(resumed)):
        raise trial.broken("load_state_dict", "restores another state", "restore every tensor of state_dict")


PROMISES: tuple[Callable[[Trial], None], ...] = (
    needs_only_what_it_declares,
    says_whether_it_adds_a_term,
    is_one_finite_value_per_run,
    changes_nothing_else,
    keeps_copies,
    depends_on_state_and_batch,
    continues_after_a_resume,
    has_the_gradient_of_its_value,
    keeps_runs_apart,
    stays_finite,
)


def _generators() -> tuple[Any, ...]:
    numbers = np.random.get_state(legacy=False)["state"]  # noqa: NPY002
    return torch.get_rng_state().tolist(), str(numbers), random.getstate()
