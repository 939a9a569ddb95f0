"""Claims about NetHack. Far is the dungeon below level 1, which pi* rarely reaches from the start.

Rules were fixed before any result was seen. Outcomes are scores of the probe ``final``: many games from
the start at the last step; pi*'s are those of the same runs at step 0, so a change is paired by seed.
Changes are shares of pi*'s mean, for its score depends on the scale. Below -``MARGIN`` a change counts as
a loss, within it as pi*'s level; ``DRIFT`` is a noticeable change of a policy of about 100 actions.

Three seeds suffice, as runs are long. A bootstrap interval of three is about their range: it misses more
often than its level says, so every seed's change is named beside the verdict.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from fpc.claims.claim import Claim, ClaimContext, Measurement, NotTestable, TablesByExperiment, claim_of
from fpc.claims.measures import Runs, at_least_steps, far_probe, listed, one_sample, runs_of, same_budget
from fpc.core.statistics import Array

DOMAIN = EXPERIMENT = "nethack"
FINAL, CLOSE = "final", "level_1"
BC, KS = "behavioral_cloning", "kickstarting"
MARGIN = 0.1  # of pi*'s mean
HEADROOM = 0.2  # of pi*'s mean: scratch must end this far below pi* for a comparison to say anything
DRIFT = 0.1  # nats
PAPER_RANGE = 0.2  # a score is the paper's within this share of it
# Environment steps that the paper speaks of; the peak comes 25M steps after as many of warm-up.
EARLY, PEAK, DECAYED, PAPER = 25_000_000, 50_000_000, 100_000_000, 400_000_000


_claim = partial(claim_of, DOMAIN)


def _runs(
    tables: TablesByExperiment, context: ClaimContext, method: str, far: bool, measure: str | None = None
) -> Runs:
    """Scores of the final games, or the score gained on the Far level."""
    found = tables[EXPERIMENT]
    if far:
        return runs_of(found, context, method, measure=measure or "return", probe=far_probe(found, "level_"))
    return runs_of(found, context, method, measure=measure or "score", probe=FINAL)


def change_from_pi_star(
    tables: TablesByExperiment, context: ClaimContext, method: str, far: bool = False, steps: int = 0
) -> Measurement:
    """Value at the last step minus that at step 0 of the same run, as a share of pi*'s mean."""
    runs = _runs(tables, context, method, far)
    at_least_steps(runs, steps)
    return _paired(runs.last - runs.first, _level(runs), context, f"at {runs.steps[-1]:,} steps")


def outcome_difference(
    tables: TablesByExperiment,
    context: ClaimContext,
    better: str,
    worse: str,
    far: bool = False,
    measure: str | None = None,
) -> Measurement:
    """A measure of one method minus another's, at the last step of the same budget."""
    first, second = (_runs(tables, context, method, far, measure) for method in (better, worse))
    same_budget(first, second)
    note = f"{better} {listed(first.last)}, {worse} {listed(second.last)} at {first.steps[-1]:,} steps"
    return Measurement(first.last, second.last, note)


def drift(tables: TablesByExperiment, context: ClaimContext, method: str) -> Measurement:
    """KL(pi* || pi_theta) on the expert's Far steps at the last step, nats."""
    runs = _runs(tables, context, method, True, "kl_divergence")
    return one_sample(runs.last, f"seeds {listed(runs.last)} at {runs.steps[-1]:,} steps")


def no_better_than_scratch(tables: TablesByExperiment, context: ClaimContext) -> Measurement:
    """Final score of vanilla minus scratch's as a share of pi*'s, where pi* has something to lose."""
    vanilla, scratch = (_runs(tables, context, method, False) for method in ("vanilla", "scratch"))
    same_budget(vanilla, scratch)
    level = _level(vanilla)
    ours = float(scratch.last.mean())
    if level - ours < HEADROOM * level:
        raise NotTestable(
            f"scratch ends at {ours:.0f}, pi* starts at {level:.0f}: a vanilla that keeps all of pi* "
            "would also be near scratch"
        )
    note = f"vanilla {listed(vanilla.last)}, scratch {listed(scratch.last)}"
    return Measurement(vanilla.last / level, scratch.last / level, note)


def decay_after_rise(tables: TablesByExperiment, context: ClaimContext, method: str) -> Measurement:
    """Return near 50M steps minus that at the last step, as a share of pi*'s; from ``level_1``."""
    runs = runs_of(tables[EXPERIMENT], context, method, measure="return", probe=CLOSE)
    at_least_steps(runs, DECAYED)
    early = int(np.argmin(np.abs(runs.steps - PEAK)))
    note = f"{runs.steps[early]:,} and {runs.steps[-1]:,} steps"
    return _paired(runs.values[:, early] - runs.last, _level(runs), context, note)


def final_score(tables: TablesByExperiment, context: ClaimContext, method: str) -> Measurement:
    """A method's final score, if trained as long as the paper's."""
    runs = _runs(tables, context, method, False)
    at_least_steps(runs, PAPER)
    return one_sample(runs.last, f"seeds {listed(runs.last)}")


def _level(runs: Runs) -> float:
    """pi*'s mean over seeds.

    Raises:
        NotTestable: runs have no step 0, or pi* scores nothing, so that nothing can be lost.
    """
    if runs.steps[0] != 0:
        raise NotTestable(f"the first milestone is at {runs.steps[0]:,} steps; pi* is measured at 0")
    level = float(runs.first.mean())
    if level <= 0.0:
        raise NotTestable(f"pi* starts at {level:.2f}: there is nothing to forget")
    return level


def _paired(changes: Array, level: float, context: ClaimContext, note: str) -> Measurement:
    shares = changes / level
    return one_sample(shares, f"seeds {listed(shares)} of pi*'s {level:.4g}, {note}")


def _keeps(method: str, label: str, score: str) -> Claim:
    return _claim(
        f"{method}_keeps_pi_star",
        f"With {label}, fine-tuning ends at pi*'s level or above.",
        ("Table 4, Figure 3a", f"{score} against pi*'s 5218"),
        f"final score minus pi*'s, as a share of pi*'s; {label}; a tenth below still counts",
        partial(change_from_pi_star, method=method),
        above=-MARGIN,
    )


def _above(better: str, worse: str, labels: str, paper: str) -> Claim:
    return _claim(
        f"{better}_above_{worse}",
        f"{labels}: the higher score.",
        ("Table 4", paper),
        f"final score, {better} minus {worse}",
        partial(outcome_difference, better=better, worse=worse),
        above=0.0,
    )


def _keeps_far(method: str, label: str) -> Claim:
    return _claim(
        f"{method}_above_vanilla_on_far",
        f"On the Far level {label} gains more score than vanilla.",
        ("Figure 5", f"{label} stays above vanilla"),
        f"score gained from the Far level's start states at the last step, {method} minus vanilla",
        partial(outcome_difference, better=method, worse="vanilla", far=True),
        above=0.0,
    )


def _drifts_less(method: str, label: str, note: str = "") -> Claim:
    return _claim(
        f"vanilla_drifts_more_than_{method}",
        f"On Far states vanilla moves further away from pi* than {label}.",
        ("Section 4", "not printed"),
        f"KL(pi* || pi_theta) on the expert's Far steps at the last step, vanilla minus {method}, nats{note}",
        partial(outcome_difference, better="vanilla", worse=method, far=True, measure="kl_divergence"),
        above=0.0,
    )


def _score(method: str, label: str, paper: float) -> Claim:
    return _claim(
        f"{method}_score",
        f"{label} ends near the paper's score.",
        ("Table 4", f"{paper:g}"),
        f"final score of {method}; within a fifth of the paper's, at the paper's budget only",
        partial(final_score, method=method),
        above=round(paper * (1 - PAPER_RANGE)),
        below=round(paper * (1 + PAPER_RANGE)),
    )


CLAIMS = (
    _claim(
        "vanilla_falls_below_pi_star",
        "Vanilla fine-tuning ends below pi*, from which it started.",
        ("Table 4", "647 against pi*'s 5218"),
        "vanilla's final score minus pi*'s, as a share of pi*'s; a loss is more than a tenth",
        partial(change_from_pi_star, method="vanilla"),
        below=-MARGIN,
    ),
    _claim(
        "vanilla_forgets_far",
        "Vanilla fine-tuning loses what pi* could do on the Far level.",
        ("Figure 5", "falls below pi*"),
        "score gained from the Far level's start states at the last step minus pi*'s, as a share of pi*'s; "
        "a loss is more than a tenth",
        partial(change_from_pi_star, method="vanilla", far=True),
        below=-MARGIN,
    ),
    _claim(
        "vanilla_drifts",
        "On Far states vanilla moves away from pi*.",
        ("Section 4", "not printed"),
        "KL(pi* || pi_theta) on the expert's Far steps at vanilla's last step, nats",
        partial(drift, method="vanilla"),
        above=DRIFT,
    ),
    _drifts_less(KS, "KS"),
    _drifts_less(BC, "BC", "; BC minimises it on other games, so this checks the method, not its benefit"),
    _keeps(KS, "KS", "10588"),
    _keeps(BC, "BC", "7610"),
    _above(KS, "vanilla", "KS against vanilla", "10588 against 647"),
    _above(BC, "vanilla", "BC against vanilla", "7610 against 647"),
    _keeps_far(KS, "KS"),
    _keeps_far(BC, "BC"),
    _claim(
        "vanilla_no_better_than_scratch",
        "Vanilla fine-tuning is no better than training from scratch.",
        ("Table 4", "647 against 776"),
        "final score, vanilla minus scratch, as a share of pi*'s; a tenth still counts as no better",
        no_better_than_scratch,
        below=MARGIN,
    ),
    _above(KS, BC, "KS against BC", "10588 against 7610"),
    _above(BC, "ewc", "BC against EWC", "7610 against 3976"),
    _above("ewc", "vanilla", "EWC against vanilla", "3976 against 647"),
    _claim(
        "kickstarting_goes_deeper_than_vanilla",
        "KS goes deeper into the dungeon than vanilla.",
        ("Table 4, Figure 4", "level 2.66 against 1.02"),
        "deepest level of the final games, KS minus vanilla",
        partial(outcome_difference, better=KS, worse="vanilla", measure="depth"),
        above=0.0,
    ),
    _claim(
        "kickstarting_improves_on_pi_star",
        "KS does not only keep pi*'s score but raises it.",
        ("Table 4, Figure 3a", "5218 to 10588; 7200 after 20M steps"),
        "KS's final score minus pi*'s, as a share of pi*'s, from 25M steps on",
        partial(change_from_pi_star, method=KS, steps=EARLY),
        above=MARGIN,
    ),
    _claim(
        "ewc_rises_then_decays",
        "EWC rises early, then loses what it gained.",
        ("Figure 3a", "6800 after 25M steps of learning, then about 4000"),
        "EWC's return at about 50M steps (with warm-up) minus that at the last step, as a share of pi*'s, "
        "from 100M steps on",
        partial(decay_after_rise, method="ewc"),
        above=MARGIN,
    ),
    _score(KS, "KS", 10588),
    _score(BC, "BC", 7610),
    _score("ewc", "EWC", 3976),
)
