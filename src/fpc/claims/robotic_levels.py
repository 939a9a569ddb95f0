"""The paper's numbers about RoboticSequence's main experiment, judged at scale ``paper`` only.

Readings of curves are means over 20 seeds, so a bound is the paper's number, give or take ``TOLERANCE``.
"""

from __future__ import annotations

from functools import partial

from fpc.claims.claim import Claim, ClaimContext, Measurement, NotTestable, Tables, TablesByExperiment
from fpc.claims.measures import Runs, at_least_steps, pi_star_by_start
from fpc.claims.robotic_measures import (
    BC,
    EARLY,
    EM,
    EWC,
    EXPERIMENT,
    LONG,
    MILLION,
    PAPER_STAGES,
    ROLES,
    SHORT,
    TOLERANCE,
    TRAINED,
    VANILLA,
    Holds,
    Measure,
    Role,
    Take,
    always,
    at_the_end,
    course,
    extreme,
    knows,
    only,
    robotic,
    stages_of,
)
from fpc.core.statistics import Array

PRINTED: dict[Role, str] = dict(
    zip(
        ROLES,
        PAPER_STAGES[EXPERIMENT],
        strict=True,
    )
)


def is_the_papers(tables: Tables) -> None:
    """Reject another sequence than the paper's.

    Raises:
        NotTestable: the stages differ.
    """
    groups = stages_of(tables)
    found = tuple(probe.partition("_")[2] for probe in (*groups["close"], *groups["far"]))
    if found != PAPER_STAGES[EXPERIMENT]:
        raise NotTestable(f"the sequence is not the paper's {', '.join(PAPER_STAGES[EXPERIMENT])}")


def reading(
    tables: TablesByExperiment,
    context: ClaimContext,
    methods: tuple[str, ...],
    where: str,
    take: Take,
    steps: int,
    holds: Holds = "all",
    forgets: bool = False,
) -> Measurement:
    """A number read from the paper's curve of a method, or of the weakest of several; ``steps`` long.

    ``forgets``: only if pi* knows what is then lost.
    """
    found = only(tables)
    is_the_papers(found)
    for method in methods:
        at_least_steps(course(found, context, method, where), steps)
    name, runs = extreme(found, context, methods, where, take)
    if forgets:
        knows(found, context, runs, where)
    note = f"{SHORT[name]}, of {runs.steps[-1]:,} steps"
    return Measurement(take(runs), note=note, holds=holds, limits=runs.limits)


def pi_star_on_far(tables: TablesByExperiment, context: ClaimContext) -> Measurement:
    """pi*'s success on the Far stages, by start state."""
    found = only(tables)
    is_the_papers(found)
    return pi_star_by_start(found, group="far")


def _from_1m(runs: Runs) -> Array:
    return always(runs.since(MILLION))


def _until_1m(runs: Runs) -> Array:
    return always(runs.until(MILLION))


def _at_100k(runs: Runs) -> Array:
    return runs.at(EARLY)


def _at_4m(runs: Runs) -> Array:
    return runs.at(LONG)


def _level(
    name: str, statement: str, source: tuple[str, str], quantity: str, measure: Measure, **bounds: float
) -> Claim:
    return robotic(name, statement, source, quantity, measure, kind="level", **bounds)  # type: ignore[arg-type]


def _fall(method: str, role: Role, number: float) -> Claim:
    short, name = SHORT[method], PRINTED[role]
    return _level(
        f"{short.lower()}_falls_on_{name.replace('-', '_')}",
        f"{short} falls below {number:g} on {name} within 1M steps.",
        ("Figure 7", f"below {number:g}"),
        f"{short}'s success on {name} at any milestone up to 1M steps",
        partial(
            reading,
            methods=(method,),
            where=role,
            take=_until_1m,
            steps=MILLION,
            holds="any",
            forgets=True,
        ),
        below=number + TOLERANCE,
    )


def _return(method: str, role: Role, number: float) -> Claim:
    short, name = SHORT[method], PRINTED[role]
    return _level(
        f"{short.lower()}_returns_on_{name.replace('-', '_')}",
        f"{short} is at {number:g} or more on {name} at the end.",
        ("Figure 7", f"{number:g} or more"),
        f"{short}'s success on {name} at the end, from 4M steps on",
        partial(reading, methods=(method,), where=role, take=at_the_end, steps=LONG),
        above=number - TOLERANCE,
    )


def _kept(role: Role) -> Claim:
    name = PRINTED[role]
    return _level(
        f"bc_never_falls_on_{name.replace('-', '_')}",
        f"BC is never below .9 on {name}.",
        ("Figure 7", "never below .9"),
        f"BC's success on {name} at every milestone",
        partial(reading, methods=(BC,), where=role, take=always, steps=MILLION),
        above=0.9 - TOLERANCE,
    )


LEVEL_CLAIMS = (
    _level(
        "pi_star_solves_far",
        "pi* was trained until it solves the Far stages.",
        ("Section 6", "to 100 % success"),
        "pi*'s success on the Far stages, by start state",
        pi_star_on_far,
        above=1.0 - TOLERANCE,
    ),
    _level(
        "bc_solves_most",
        "BC solves all four stages about 80 % of the time.",
        ("Figure 3c", "about .8"),
        "BC's whole-sequence success at the end, from 4M steps on (a higher one is no contradiction)",
        partial(reading, methods=(BC,), where="whole", take=at_the_end, steps=LONG),
        above=0.8 - TOLERANCE,
    ),
    _level(
        "bc_solves_most_by_1m",
        "BC is at about .8 by 1M steps and stays there.",
        ("Figure 3c", "about .8 by 1M"),
        "BC's whole-sequence success at every milestone from 1M steps on",
        partial(reading, methods=(BC,), where="whole", take=_from_1m, steps=MILLION),
        above=0.8 - TOLERANCE,
    ),
    _level(
        "hammer_is_learned",
        "All trained methods are at about .9 or more on hammer within 1M steps, and stay there.",
        ("Figure 7", "about .9 or more within 1M"),
        "success on hammer at every milestone from 1M steps on, of the weakest method (KS left out)",
        partial(reading, methods=TRAINED, where="first_close", take=_from_1m, steps=MILLION),
        above=0.9 - TOLERANCE,
    ),
    _level(
        "push_is_learned",
        "All trained methods are at about .8 or more on push at the end.",
        ("Figure 7", "about .8 or more"),
        "success on push at the end of the weakest method (KS left out), from 4M steps on",
        partial(reading, methods=TRAINED, where="last_close", take=at_the_end, steps=LONG),
        above=0.8 - TOLERANCE,
    ),
    *(_kept(role) for role in ("first_far", "last_far")),
    _fall(EM, "first_far", 0.2),
    _return(EM, "first_far", 0.9),
    _fall(EM, "last_far", 0.1),
    _return(EM, "last_far", 0.85),
    _fall(EWC, "first_far", 0.65),
    _return(EWC, "first_far", 0.9),
    _fall(EWC, "last_far", 0.5),
    _return(EWC, "last_far", 0.6),
    _level(
        "push_wall_is_gone",
        "After 100k steps vanilla's success on push-wall is near 0.",
        ("Figure 8", "0"),
        "vanilla's success on push-wall at the first milestone from 100k steps on",
        partial(reading, methods=(VANILLA,), where="last_far", take=_at_100k, steps=EARLY, forgets=True),
        below=TOLERANCE,
    ),
    _level(
        "push_wall_is_back",
        "By about 4M steps vanilla is above .8 on push-wall again.",
        ("Figure 8", "above .8"),
        "vanilla's success on push-wall at the first milestone from 4M steps on",
        partial(reading, methods=(VANILLA,), where="last_far", take=_at_4m, steps=LONG),
        above=0.8 - TOLERANCE,
    ),
)
