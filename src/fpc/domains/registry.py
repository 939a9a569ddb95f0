"""Domains by name: a folder of this package with a ``domain.py``, and a ``config.py``."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path

from fpc.config.experiment import Experiment
from fpc.domains.interface import Domain


@cache
def domain_names() -> tuple[str, ...]:
    """Names of all domains, sorted."""
    return tuple(sorted(path.parent.name for path in Path(__file__).parent.glob("*/domain.py")))


@cache
def load_domain(name: str) -> Domain:
    """The domain called ``name`` (one of ``domain_names()``)."""
    domain = import_module(f"fpc.domains.{name}.domain").DOMAIN
    assert isinstance(domain, Domain)
    assert domain.name == name
    return domain


@cache
def experiment_type(name: str) -> type[Experiment]:
    """The type of a domain's experiments: the only ``Experiment`` subclass of ``fpc.domains.<name>.config``."""
    module = import_module(f"fpc.domains.{name}.config")
    (found,) = (
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Experiment) and value.__module__ == module.__name__
    )
    return found
