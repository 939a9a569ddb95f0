"""Tests every claim against the tables; a domain's claims are in ``fpc.claims.<domain>``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import TYPE_CHECKING, Any

import fpc.claims
from fpc import extensions
from fpc.claims.claim import Claim, ClaimContext, Outcome, Result, TablesByExperiment
from fpc.claims.judging import judge
from fpc.claims.scores import Benchmark
from fpc.domains.registry import domain_names

if TYPE_CHECKING:
    import pandas as pd


@cache
def claims_of(domain: str) -> tuple[Claim, ...]:
    """``CLAIMS`` of the domain's module; empty if it has no such module, or no claims.

    Raises:
        ValueError: a claim in the module is about another domain.
    """
    module = _module_of(domain)
    claims: tuple[Claim, ...] = getattr(module, "CLAIMS", ())
    for claim in claims:
        if claim.domain != domain:
            raise ValueError(f"claims/{domain}.py: {claim.id} is about {claim.domain}")
    return claims


def benchmark_of(domain: str) -> Benchmark | None:
    """``BENCHMARK`` of the domain's module; None if it has no such module, or no benchmark."""
    found: Benchmark | None = declared(domain, "BENCHMARK")
    return found


def declared(domain: str, name: str) -> Any:
    """What the domain's module calls ``name``; None if there is no such module, or it has none."""
    return getattr(_module_of(domain), name, None)


def _module_of(domain: str) -> ModuleType | None:
    inside = {module.name for module in iter_modules(fpc.claims.__path__)}
    if domain not in inside and not extensions.is_extension(f"{fpc.claims.__name__}.{domain}"):
        return None
    return import_module(f"fpc.claims.{domain}")


def all_claims(domains: Sequence[str] = ()) -> list[Claim]:
    """The claims of these domains, in this order; of every domain, by name, if none is given."""
    return [claim for name in domains or domain_names() for claim in claims_of(name)]


def by_experiment(tables: Mapping[str, pd.DataFrame]) -> dict[str, dict[str, pd.DataFrame]]:
    """Split tables of several experiments by their column ``experiment``."""
    split: dict[str, dict[str, pd.DataFrame]] = {}
    for name, table in tables.items():
        for experiment, rows in table.groupby("experiment", observed=True):
            split.setdefault(str(experiment), {})[name] = rows
    return split


def evaluate_claims(tables_by_experiment: TablesByExperiment, context: ClaimContext) -> list[Result]:
    """Test the claims of ``context.domains``, in this order."""
    return judge(all_claims(context.domains), tables_by_experiment, context)


def metrics(results: Sequence[Result]) -> dict[str, Any]:
    """Counts of outcomes, and domain -> claim -> measured number, for ``dvc metrics``."""
    counts = Counter(result.outcome for result in results)
    found: dict[str, Any] = {"verdicts": {str(outcome): counts[outcome] for outcome in Outcome}}
    for result in results:
        if result.measured is not None:
            found.setdefault(result.claim.domain, {})[result.claim.id] = result.measured
    return found
