"""The paper's numbers for NetHack, as claims that are judged at scale ``paper`` only."""

from __future__ import annotations

from functools import partial

import numpy as np

from fpc.claims import nethack_curves as curves
from fpc.claims import nethack_measures as measures
from fpc.claims.claim import Claim, ClaimContext, Measurement, TablesByExperiment, claim_of
from fpc.claims.measures import Runs, at_least_steps, listed, one_sample
from fpc.claims.nethack_measures import SCORE, SOKOBAN
from fpc.claims.nethack_paper import (
    FIGURE_3A,
    FIGURE_3A_DISTANCE,
    PI_STAR_MEDIAN,
    PI_STAR_ON_LEVEL_1,
    PI_STAR_SCORE,
    READING,
    SCORE_LEVELS,
    SCORES,
    SCRATCH_BC,
    SCRATCH_KS,
    TABLE_4,
    TABLE_4_SEEDS,
    TABLE_5,
    score_tolerance,
    table_5_tolerance,
)

PAPER_STEPS = 400_000_000  # shorter runs at the paper's scale are not compared with its numbers
GAMES = 0.1  # difference of a share of pi*'s games: six standard errors of 1,000 games
RATIO = 0.25  # of the paper's value; five standard errors if a column spreads as KS's score
PITS = 0.2  # the reading of .1, twice
LABELS = {
    "scratch": "Scratch",
    "vanilla": "Vanilla",
    "ewc": "EWC",
    "behavioral_cloning": "BC",
    "kickstarting": "KS",
    SCRATCH_BC: "BC from scratch",
    SCRATCH_KS: "KS from scratch",
}
KS = "kickstarting"
COLUMNS = {
    "turns": "games last as many turns",
    "depth": "games go as deep",
    "experience_level": "games reach the experience level",
    "gold": "games move as much gold",
    "scout": "games see as many new glyphs",
}

_level = partial(claim_of, "nethack", kind="level")


def _final(
    tables: TablesByExperiment, context: ClaimContext, method: str, probe: measures.Probe = SCORE
) -> Runs:
    """A method's course, which at scale ``paper`` must be as long as the paper's."""
    ours = measures.runs(tables, context, method, probe)
    if context.has_levels:
        at_least_steps(ours, PAPER_STEPS)
    return ours


def difference_from_paper(tables: TablesByExperiment, context: ClaimContext, method: str) -> Measurement:
    """Final scores of our seeds minus those of the paper's."""
    ours = _final(tables, context, method)
    paper = np.asarray(TABLE_4_SEEDS[method], dtype=np.float64)
    return Measurement(ours.last, paper, f"ours {listed(ours.last)}, the paper's {listed(paper)}")


def final_score(tables: TablesByExperiment, context: ClaimContext, method: str) -> Measurement:
    """A method's final score."""
    ours = _final(tables, context, method)
    return one_sample(ours.last, f"seeds {listed(ours.last)}")


def ratio_to_paper(
    tables: TablesByExperiment, context: ClaimContext, probe: measures.Probe, paper: float
) -> Measurement:
    """A measure of KS's final games divided by the paper's."""
    ours = _final(tables, context, KS, probe).last
    return one_sample(ours / paper, f"seeds {listed(ours)}")


def most_pits(tables: TablesByExperiment, context: ClaimContext) -> Measurement:
    """Pits filled by the better one of vanilla and scratch."""
    _final(tables, context, measures.REFERENCE, SOKOBAN)
    return measures.most_pits(tables, context, relative=False)


def _score(method: str) -> Claim:
    tolerance = score_tolerance(method)
    return _level(
        f"{method}_score",
        f"{LABELS[method]} ends at the paper's score"
        + (": from about 5k to more than 10k." if method == "kickstarting" else "."),
        ("Table 4, Figure 3a", f"{SCORES[method]:g}; each seed's mean is printed too"),
        f"final score of {method}, ours minus the paper's seeds; five standard errors, from their spread"
        + (", or 1,000" if tolerance == READING else ""),
        partial(difference_from_paper, method=method),
        above=-tolerance,
        below=tolerance,
    )


def _from_scratch(method: str) -> Claim:
    value, deviation = TABLE_5[method]
    tolerance = table_5_tolerance(method)
    return _level(
        f"{method}_score",
        f"{LABELS[method]} ends at the paper's score.",
        ("Table 5", f"{value:g} ± {deviation:g}"),
        f"final score of {method}; five standard errors",
        partial(final_score, method=method),
        above=value - tolerance,
        below=value + tolerance,
    )


def _column(column: str) -> Claim:
    paper = TABLE_4[column][KS]
    return _level(
        f"level_of_{column}",
        f"With KS, {COLUMNS[column]} as in the paper.",
        ("Table 4", f"{paper:g}"),
        f"{column} of KS's final games divided by the paper's",
        partial(ratio_to_paper, probe=("final", column), paper=paper),
        above=1 - RATIO,
        below=1 + RATIO,
    )


def _course(method: str) -> Claim:
    readings = FIGURE_3A[method]
    points = ", ".join(f"{value / 1000:g}k at {step / 1e6:g}M" for step, value in readings.items())
    return _level(
        f"{method}_return_at_steps",
        f"{LABELS[method]}'s return in training is the paper's.",
        ("Figure 3a", points),
        f"distance of {method}'s return from these readings, averaged over them, by seed",
        partial(curves.distance_from, method=method, readings=readings),
        below=FIGURE_3A_DISTANCE[method],
    )


LEVELS = (
    _level(
        "pi_star_share_on_level_1",
        "As many of pi*'s games end on level 1 as in the paper.",
        ("Text", "61.8 % of 1,024 games"),
        "share of pi*'s own games whose deepest level is 1",
        partial(measures.pi_star_share, measure="depth", chosen=lambda depth: depth <= 1),
        above=PI_STAR_ON_LEVEL_1 - GAMES,
        below=PI_STAR_ON_LEVEL_1 + GAMES,
    ),
    _level(
        "pi_star_score",
        "pi* has the paper's mean score.",
        ("Text, Table 5, Figure 3a", "5221 in 1,024 games, 5218 in the table, about 4.5k in the figure"),
        "mean score of pi*'s own games, give or take 1,000",
        measures.pi_star_score,
        above=PI_STAR_SCORE - READING,
        below=PI_STAR_SCORE + READING,
    ),
    _level(
        "pi_star_median_score",
        "pi* has the paper's median score.",
        ("Text", "3918 in 1,024 games"),
        "share of pi*'s own games that score less than the paper's median",
        partial(measures.pi_star_share, measure="score", chosen=lambda score: score < PI_STAR_MEDIAN),
        above=0.5 - GAMES,
        below=0.5 + GAMES,
    ),
    *(_score(method) for method in SCORE_LEVELS),
    *(_column(column) for column in COLUMNS),
    *(_course(method) for method in FIGURE_3A),
    _level(
        "pits_of_vanilla_and_scratch",
        "In Sokoban, vanilla and scratch fill .1 pits at most.",
        ("Figure 5", ".1 at most"),
        "pits filled in Sokoban at the last step: the better one of vanilla and scratch by seed; a "
        f"reading of .1 cannot be told from {PITS:g}",
        most_pits,
        below=PITS,
    ),
    *(_from_scratch(method) for method in (SCRATCH_BC, SCRATCH_KS)),
)
