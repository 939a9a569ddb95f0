"""One method on one small student: its calls, whose errors name file and line, and the state between them."""

from __future__ import annotations

import inspect
import re
import traceback
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fpc.core.errors import ConfigError
from fpc.retention.interface import MethodOptions, Need, RetentionBatch, RetentionContext, RetentionMethod
from fpc.workflow.extending import in_words
from fpc.workflow.trying.method_file import remedy_of
from fpc.workflow.trying.students import RUNS, Case

# What is handed out only to a method that declares the need.
NEEDS_OF = {
    "teacher": frozenset({Need.TEACHER}),
    "teacher_outputs": frozenset({Need.TEACHER, Need.ONLINE_OBSERVATIONS}),
    "expert": frozenset({Need.EXPERT_DATA}),
    "replay_buffer": frozenset({Need.REPLAY_BUFFER}),
}
SHIFT = 0.25  # between the parameters at which a method is anchored and the student's
MANY = 150  # updates in a row, the first of a run
LATE = (10**3, 10**4, 10**5, 10**6, 10**7)  # the last is beyond the longest run
BOUND = (
    "bound what grows or shrinks with the updates, as in min(batch.update, n): "
    "a run may have millions of them"
)


class Broken(ConfigError):
    """A method breaks a promise; the text names file, line, what is wrong and the remedy."""


class Refused(Exception):
    """A method does not serve this kind of student; the text is its own."""


class _Noting:
    """Notes which of the things that must be declared were read although they are None."""

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        if value is None and name in NEEDS_OF:
            super().__getattribute__("lacked").add(name)
        return value


@dataclass(frozen=True)
class NotingContext(_Noting, RetentionContext):
    """A context as a learner gives it."""

    lacked: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class NotingBatch(_Noting, RetentionBatch):
    """A batch as a learner gives it."""

    lacked: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Trial:
    """One method on one student."""

    method_class: type[RetentionMethod]
    options: MethodOptions
    name: str  # of the case
    case: Case
    gives_all: bool = False  # also what the method does not declare
    lacked: set[str] = field(default_factory=set)  # what it read although it was not given

    @property
    def runs(self) -> list[int]:
        """Shape of a term."""
        return [RUNS] if self.name == "side by side" else []

    @property
    def file(self) -> Path:
        """The file that defines the method, relative to the current folder if it is there."""
        path = Path(inspect.getfile(self.method_class))
        return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path

    def line_of(self, name: str) -> int:
        """Where the class defines one of its functions or attributes; if it inherits it, the class."""
        lines, first = inspect.getsourcelines(self.method_class)
        own = re.compile(rf"\s+(def {name}\(|{name}\s*[:=])")
        return next((first + number for number, text in enumerate(lines) if own.match(text)), first)

    def broken(self, function: str, what: str, remedy: str, line: int | None = None) -> Broken:
        """The error about one of the method's functions or attributes."""
        return Broken(
            f"{self.file}:{line or self.line_of(function)}: {function} {what} "
            f"(checked on a student of kind '{self.name}'); {remedy}"
        )

    @contextmanager
    def calling(self, function: str, when: str = "", remedy: str | None = None) -> Iterator[None]:
        """Turn whatever the method raises into one message with its line.

        Args:
            function: of the method.
            when: follows the error's text.
            remedy: unless the error itself says what to do.
        """
        try:
            with warnings.catch_warnings():  # float(term): the message about the gradient says more
                warnings.filterwarnings("ignore", message="Converting a tensor with requires_grad")
                yield
        except (Broken, Refused):
            raise
        except (Exception, SystemExit) as error:
            lines = [
                at.lineno
                for at in traceback.extract_tb(error.__traceback__)
                if Path(at.filename) == self.file.resolve()
            ]
            raise self.broken(
                function,
                f"fails with {in_words(error)}{when}",
                self._remedy(error, remedy or "correct this line"),
                lines[-1] if lines else None,
            ) from error

    def _remedy(self, error: BaseException, otherwise: str) -> str:
        """What to do about an error of the method's."""
        declared = NEEDS_OF["teacher_outputs"] <= self.method_class.needs
        if declared and "teacher_outputs" in self.lacked and "None" in str(error):
            return (
                "batch.teacher_outputs is None where the learner does not compute them (REINFORCE): keep "
                "context.teacher in prepare, and use its outputs(batch.observations) then, as "
                "src/fpc/retention/kickstarting.py does"
            )
        return remedy_of(error, otherwise)

    def context(self) -> RetentionContext:
        """What a learner gives to this method."""
        return NotingContext(**self._handed_out(self.case.new_context()), lacked=self.lacked)

    def batch(self, update: int) -> RetentionBatch:
        """The batch of an update, as a learner gives it to this method."""
        return NotingBatch(**self._handed_out(self.case.batch(update)), lacked=self.lacked)

    def _handed_out(self, given: RetentionContext | RetentionBatch) -> dict[str, Any]:
        """Its fields, with None for what the method does not declare."""
        content = {part.name: getattr(given, part.name) for part in fields(given)}
        if not self.gives_all:
            withheld = {name for name, needs in NEEDS_OF.items() if not needs <= self.method_class.needs}
            content |= dict.fromkeys(withheld & content.keys())
        return content

    def new(self) -> RetentionMethod:
        """The method, not prepared yet."""
        with self.calling("__init__"):
            return self.method_class(self.options)

    @contextmanager
    def student_at(self, chosen: Iterable[Tensor]) -> Iterator[None]:
        """Within the block, the student has these parameters."""
        kept = values(self.case)
        _set_values(self.case, chosen)
        try:
            yield
        finally:
            _set_values(self.case, kept)

    def prepared(self, updates: int = 2, shift: float = SHIFT) -> RetentionMethod:
        """The method, anchored at parameters near the student's, after some updates.

        Args:
            updates: their number.
            shift: difference of each parameter; 0: the student is pi*, as before the first update.
        """
        method = self.new()
        anchored = [value + shift for value in values(self.case)]
        with self.student_at(anchored):
            with self.calling("prepare"):
                try:
                    method.prepare(self.context())
                except ValueError as error:
                    raise Refused(str(error)) from error
            if not equal(values(self.case), anchored):
                raise self.broken(
                    "prepare", "changes the student's parameters", "work on a copy: .detach().clone()"
                )
        for update in range(updates):
            self.penalty(method, update)
        return method

    def penalty(
        self, method: RetentionMethod, update: int, when: str = "", remedy: str | None = None
    ) -> Tensor | None:
        """The method's penalty at an update: None, or a tensor of real floating-point numbers."""
        if update >= MANY:
            when, remedy = when or f" at update {update}", remedy or BOUND
        with self.calling("penalty", when, remedy):
            term: Any = method.penalty(self.batch(update))
        if term is None or (isinstance(term, Tensor) and term.is_floating_point()):
            return term
        if not isinstance(term, Tensor):
            raise self.broken(
                "penalty",
                f"returns {type(term).__name__} at update {update}, not a tensor",
                f"return a tensor of shape {self.runs} computed from batch.outputs or the student's "
                "parameters; float() and .item() lose its gradient",
            )
        raise self.broken(
            "penalty",
            f"returns a tensor of {str(term.dtype).removeprefix('torch.')} at update {update}",
            "return real floating-point numbers; "
            + (
                "a power of a negative number is complex: bound its base, as in max(0, 1 - batch.update / n)"
                if term.is_complex()
                else "integers have no gradient"
            ),
        )

    def saved(self, method: RetentionMethod) -> dict[str, Tensor]:
        """A copy of its state, as a checkpoint has it."""
        return {name: value.detach().clone() for name, value in self.state(method).items()}

    def state(self, method: RetentionMethod) -> dict[str, Tensor]:
        """Its state, which consists of tensors."""
        with self.calling("state_dict"):
            state = method.state_dict()
            for name, value in state.items():
                if not isinstance(value, Tensor):
                    raise self.broken(
                        "state_dict",
                        f"holds {type(value).__name__} as '{name}'",
                        "store tensors alone, such as torch.tensor(value)",
                    )
            return state

    def restore(self, method: RetentionMethod, state: dict[str, Tensor]) -> None:
        """Put a state into the method, with a new context."""
        with self.calling("load_state_dict"):
            method.load_state_dict({name: value.clone() for name, value in state.items()}, self.context())

    def gradients(self, term: Tensor) -> list[Tensor]:
        """Of the sum of a term's values, for each parameter; zeros of a term without a graph."""
        if not term.requires_grad:
            return [torch.zeros_like(value) for value in self.case.parameters]
        try:
            return list(
                torch.autograd.grad(
                    term.sum(), self.case.parameters, allow_unused=True, materialize_grads=True
                )
            )
        except RuntimeError as error:
            raise self.broken(
                "penalty",
                f"has no gradient: {in_words(error).partition('. ')[0]}",
                "what prepare or an earlier update computed from the student must be detached where it is "
                "kept: .detach().clone()",
            ) from error


def values(case: Case) -> list[Tensor]:
    """A copy of the student's parameters."""
    return [value.detach().clone() for value in case.parameters]


def _set_values(case: Case, chosen: Iterable[Tensor]) -> None:
    with torch.no_grad():
        for value, new in zip(case.parameters, chosen, strict=True):
            value.copy_(new)


def equal(first: list[Tensor], second: list[Tensor]) -> bool:
    """Whether two lists hold the same numbers."""
    return all(torch.equal(*both) for both in zip(first, second, strict=True))


def equal_states(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    """Whether two states hold the same numbers under the same names; NaN equals NaN."""
    return first.keys() == second.keys() and all(same(value, second[name]) for name, value in first.items())


def same(first: Tensor | None, second: Tensor | None) -> bool:
    """Whether two tensors, or terms, hold the same numbers; NaN equals NaN."""
    if first is None or second is None:
        return first is second
    if first.shape != second.shape or first.dtype != second.dtype:
        return False
    return bool(((first == second) | (first.isnan() & second.isnan())).all())


def shown(term: Tensor | None) -> str:
    """The first values of a term."""
    return (
        "None"
        if term is None
        else ", ".join(f"{value:.6g}" for value in term.detach().flatten().tolist()[:3])
    )
