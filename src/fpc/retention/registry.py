"""Retention methods by name: a method is a module of this package. Importing this imports no torch."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

import fpc.retention
from fpc.core.errors import did_you_mean
from fpc.retention.interface import RetentionMethod

SUPPORT = frozenset(
    {"interface", "losses", "fisher", "expert_data", "registry"}
)  # no methods, some with torch


def _method_of(module_name: str) -> type[RetentionMethod] | None:
    """The one RetentionMethod a module defines; None where it defines none."""
    module = importlib.import_module(f"{fpc.retention.__name__}.{module_name}")
    methods = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, RetentionMethod)
        and value.__module__ == module.__name__
    ]
    if len(methods) > 1:
        names = ", ".join(method.__name__ for method in methods)
        raise ImportError(f"{module.__file__} defines {names}: put one retention method in each file")
    return methods[0] if methods else None


@cache
def _methods() -> dict[str, type[RetentionMethod]]:
    names = sorted(
        module.name
        for module in pkgutil.iter_modules(fpc.retention.__path__)
        if module.name not in SUPPORT and not module.name.startswith("_")
    )
    found = {name: _method_of(name) for name in names}
    return {name: method for name, method in found.items() if method is not None}


def method_names() -> tuple[str, ...]:
    """Names of all retention methods, sorted."""
    return tuple(_methods())


def load_method(name: str) -> type[RetentionMethod]:
    """The class of a method.

    Raises:
        ValueError: there is no such method; the message lists those there are.
    """
    methods = _methods()
    if name in methods:
        return methods[name]
    raise ValueError(
        f"no retention method is called '{name}'.{did_you_mean(name, methods)} "
        f"There are: {', '.join(methods)}; a new one is a file src/fpc/retention/{name}.py."
    )


def method_name(method: RetentionMethod) -> str:
    """The name of a method's class."""
    return next(name for name, method_class in _methods().items() if method_class is type(method))
