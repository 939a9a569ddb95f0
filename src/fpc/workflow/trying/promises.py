"""What every retention method promises, one function each; see ``fpc.workflow.trying.contract``."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fpc.workflow.trying.gradients import has_the_gradient_of_its_value, keeps_runs_apart
from fpc.workflow.trying.probe import NEED_OF, Broken, Refused, Trial, equal, same, shown, values

UPDATES = 6  # of a trial; the state is saved after the first two
MANY = 150  # updates in a row
LATE = (10**3, 10**4, 10**5, 10**6, 10**7)  # the last is beyond the longest run


def needs_only_what_it_declares(trial: Trial) -> None:
    """The method works with what its ``needs`` declare: nothing else is handed out."""
    try:
        trial.prepared()
    except (Broken, Refused):
        undeclared = {name for name in trial.lacked if NEED_OF[name] not in trial.method_class.needs}
        if not undeclared or not _is_reason(trial, undeclared):
            raise
        name = sorted(undeclared)[0]
        of = "batch" if name == "teacher_outputs" else "context"
        need = f"Need.{NEED_OF[name].name}"
        raise trial.broken(
            "needs",
            f"does not declare {need}, so {of}.{name} is None, but the method uses it",
            f"add {need} to needs",
        ) from None


def _is_reason(trial: Trial, undeclared: set[str]) -> bool:
    """Whether a method fails because of what it was not given."""
    if "replay_buffer" in undeclared and trial.case.new_context().replay_buffer is None:
        return True
    try:
        replace(trial, gives_all=True, lacked=set()).prepared()
    except (Broken, Refused):
        return False
    return True


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
    _check_values(trial, term, 2, "keep logarithms and quotients bounded")


def stays_finite(trial: Trial) -> None:
    """So it does in the first updates of a run and at late ones, with a finite gradient."""
    first = trial.penalty(trial.prepared(updates=0, shift=0), 0)
    if first is not None:
        remedy = (
            "at first the student is pi*: keep roots, logarithms and quotients away from 0, "
            "as in (x + 1e-8).sqrt()"
        )
        _check_values(trial, first, 0, remedy)
        _check_gradient(trial, first, 0, remedy)
    method = trial.prepared()
    remedy = (
        "bound what grows or shrinks with the updates, as in min(batch.update, n): "
        "a run may have millions of them"
    )
    for update in (*range(2, MANY), *LATE):
        term = trial.penalty(method, update, f" at update {update}", remedy)
        _check_values(trial, term, update, remedy)
        if term is not None and update in LATE:
            _check_gradient(trial, term, update, remedy)


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


def _check_gradient(trial: Trial, term: Tensor, update: int, remedy: str) -> None:
    if term.requires_grad and not all(grad.isfinite().all() for grad in trial.gradients(term)):
        raise trial.broken(
            "penalty",
            f"has a gradient that is not finite at update {update}, where its value is {shown(term)}",
            remedy,
        )


def changes_nothing_else(trial: Trial) -> None:
    """A penalty changes nothing but the method's own state."""
    case = trial.case
    answers = case.answers()
    method = trial.prepared()
    parameters, generators = values(case), _generators()
    trial.penalty(method, 2)
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
            raise trial.broken("penalty", f"changes {what}", remedy)


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
    state = trial.saved(method)
    first = trial.penalty(method, 2)
    trial.restore(method, state)
    again = trial.penalty(method, 2)
    if same(first, again):
        return
    gave = f"a batch gave {shown(first)}, and after load_state_dict {shown(again)}"
    if _is_lost(trial, state, first):
        raise trial.broken(
            "load_state_dict",
            f"loses state: {gave}; state_dict gives {', '.join(state) or 'nothing'}",
            "return what prepare creates and what changes between updates from state_dict, and restore it "
            "from there: a resumed student is no longer pi*",
        )
    raise trial.broken(
        "penalty",
        f"changes hidden state: {gave}",
        "keep whatever changes between updates in state_dict, and draw from context.generator alone",
    )


def _is_lost(trial: Trial, state: dict[str, Tensor], first: Tensor | None) -> bool:
    """Whether loading a state at once, before any penalty changes it, gives another penalty."""
    at_once = trial.prepared()
    trial.restore(at_once, state)
    return same(trial.penalty(trial.prepared(), 2), first) and not same(trial.penalty(at_once, 2), first)


def continues_after_a_resume(trial: Trial) -> None:
    """A new instance with the saved state gives the same penalties, and has the same state at the end."""
    method = trial.prepared()
    state = trial.saved(method)
    resumed = trial.method_class(trial.options)
    trial.restore(resumed, state)
    remedy = "put what prepare creates and what changes between updates into state_dict"
    for update in range(2, UPDATES):
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
    then, now = trial.saved(method), trial.saved(resumed)
    if then.keys() != now.keys() or not equal(list(then.values()), list(now.values())):
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
