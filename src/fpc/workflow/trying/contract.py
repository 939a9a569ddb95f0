"""What every retention method promises (see ``fpc.retention.interface``), checked on small students.

A method may refuse a kind of student in ``prepare`` with a ValueError; that breaks no promise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

import torch

from fpc.retention.interface import MethodOptions, RetentionMethod
from fpc.workflow.trying.gradients import has_a_gradient
from fpc.workflow.trying.probe import Broken, Refused, Trial
from fpc.workflow.trying.promises import PROMISES
from fpc.workflow.trying.students import CASES, LIKE, offered

__all__ = ["PROMISES", "Broken", "Refused", "Trial", "acts", "check", "small"]

SMALL = 8  # upper bound for options that count states or batches


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
    """Check all promises on one kind of student, then on the other kinds that the method's needs allow.

    The others are those of all domains that compare methods: a method that is only meant for some kinds of
    policies refuses the rest.

    Args:
        method_class: the method.
        options: its options; counts are reduced where it keeps its promises with fewer, too.
        case_name: a key of ``CASES``.

    Raises:
        Broken: the first promise that the method breaks.
        Refused: the method does not serve the named kind of student.
    """
    with _one_thread():
        _check(method_class, options, case_name)


def acts(method_class: type[RetentionMethod], options: MethodOptions, case_name: str) -> bool:
    """Whether a method that adds a term has a gradient anywhere on this kind of student.

    It may have none there and one in a run, as a term that begins at a large distance from pi*.
    """
    if not method_class.adds_term:
        return True
    with _one_thread():
        for used in (small(options), options):  # with either it may keep its promises, see ``_options_kept``
            try:
                return has_a_gradient(Trial(method_class, used, case_name, CASES[case_name]()))
            except (Broken, Refused):
                continue
    return True


@contextmanager
def _one_thread() -> Iterator[None]:
    """The students are so small that threads only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _check(method_class: type[RetentionMethod], options: MethodOptions, case_name: str) -> None:
    text = options.model_dump_json()
    if (refusal := _refusal(method_class, text, case_name)) is not None:
        raise Refused(refusal)
    for other, domain in LIKE.items():
        if other == case_name or not method_class.needs <= offered(other):
            continue
        try:
            _refusal(method_class, text, other)
        except Broken as error:
            raise Broken(
                f"{error}; if the method is not meant for such a policy, which {domain} has, let prepare "
                "raise a ValueError that says so"
            ) from error


@cache
def _refusal(method_class: type[RetentionMethod], options: str, case_name: str) -> str | None:
    """Why a method refuses a kind of student; None if it keeps all promises there.

    Raises:
        Broken: it breaks one.
    """
    given = method_class.Options.model_validate_json(options)
    used = small(given)
    try:
        for promise in PROMISES:
            used = _options_kept(promise, method_class, used, given, case_name)
    except Refused as error:
        return str(error)
    return None


def _options_kept(
    promise: Callable[[Trial], None],
    method_class: type[RetentionMethod],
    used: MethodOptions,
    given: MethodOptions,
    case_name: str,
) -> MethodOptions:
    """Those of two sets of options with which a promise is kept: ``used``, or else ``given``.

    Fewer states or batches may break what the given ones do not, as where start and end become the same.

    Raises:
        Broken, Refused: it is kept with neither.
    """
    try:
        promise(Trial(method_class, used, case_name, CASES[case_name]()))
    except (Broken, Refused) as error:
        if used == given:
            raise
        try:
            promise(Trial(method_class, given, case_name, CASES[case_name]()))
        except Refused:  # perhaps only because there are few states
            raise error from None
        return given
    return used
