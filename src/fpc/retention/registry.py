"""Retention methods by name; each is a module of this package, or an extension.

Importing this does not import torch.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

import fpc.retention
from fpc import extensions
from fpc.core.errors import did_you_mean
from fpc.retention.interface import RetentionMethod

# Modules that define no method; some of them import torch.
SUPPORT = frozenset({"interface", "losses", "fisher", "batch_fisher", "expert_data", "registry"})


def _method_of(module_name: str) -> type[RetentionMethod] | None:
    """The RetentionMethod that a module defines, or None."""
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


def _methods() -> dict[str, type[RetentionMethod]]:
    return _methods_with(extensions.paths())


@cache
def _methods_with(extended: tuple[str, ...]) -> dict[str, type[RetentionMethod]]:
    inside = {
        module.name
        for module in pkgutil.iter_modules(fpc.retention.__path__)
        if module.name not in SUPPORT and not module.name.startswith("_")
    }
    names = sorted(inside | set(extensions.names(fpc.retention.__name__)))
    found = {name: _method_of(name) for name in names}
    return {name: method for name, method in found.items() if method is not None}


def method_names() -> tuple[str, ...]:
    """Names of all retention methods, sorted."""
    return tuple(_methods())


def load_method(name: str) -> type[RetentionMethod]:
    """The class of the method called ``name``.

    Raises:
        ValueError: there is no such method; the message lists the existing ones.
    """
    methods = _methods()
    if name in methods:
        return methods[name]
    raise ValueError(
        f"there is no retention method '{name}'.{did_you_mean(name, methods)} "
        f"Available: {', '.join(methods)}. To add one, create src/fpc/retention/{name}.py."
    )


def method_name(method: RetentionMethod) -> str:
    """The registered name of a method."""
    return next(name for name, method_class in _methods().items() if method_class is type(method))
