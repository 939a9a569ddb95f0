"""Claims about NetHack. Far is the dungeon below level 1, which pi* rarely reaches from the start.

Rules were fixed before any result was seen. Outcomes are scores of the probe ``final``: many games from the
start at the last step. Far start states are in ``nethack_far``, the paper's numbers in ``nethack_levels``.
"""

from __future__ import annotations

from functools import partial

from fpc.claims import nethack_curves as curves
from fpc.claims import nethack_measures as measures
from fpc.claims.claim import Claim, claim_of
from fpc.claims.nethack_early import far_kept
from fpc.claims.nethack_far import ABOUT, BC, EARLY_GAIN, FAR_CLAIMS, KS, MARGIN, SHARE, from_pi_star
from fpc.claims.nethack_levels import LEVELS
from fpc.claims.nethack_measures import DEPTH, SCORE
from fpc.claims.nethack_paper import SCRATCH_BC, SCRATCH_KS, TABLE_4
from fpc.claims.scores import Benchmark, last

DOMAIN = "nethack"
FAR_BELOW = 0.5  # of pi*'s mean; the paper's scratch is at .15
EARLY = 1 / 3  # of training; the paper's early peaks lie in its first twentieth
ORDERED = 0.7  # rank correlation of five methods; 0.9 if two neighbours are swapped, 0 for any order

COLUMNS = {
    "depth": ("depth", "dungeon level 1.06, 1.02, 1.41, 1.7, 2.66", "Table 4, Figure 16"),
    "turns": ("length", "turns 6696, 7756, 16725, 22895, 24436", "Table 4"),
    "experience_level": (
        "experience level",
        "experience level 4.07, 2.73, 6.29, 7.30, 7.73",
        "Table 4",
    ),
    "gold": ("gold", "gold 5.3, 9.3, 217, 582, 857", "Table 4"),
    "scout": ("scouting", "scout 371, 150, 720, 959, 1551", "Table 4"),
}

_claim = partial(claim_of, DOMAIN)


def _above(better: str, worse: str, statement: str, paper: str) -> Claim:
    return _claim(
        f"{better}_above_{worse}",
        statement,
        ("Table 4", paper),
        f"final score, {better} minus {worse}",
        partial(measures.difference, better=better, worse=worse, probe=SCORE),
        above=0.0,
    )


def _order(column: str) -> Claim:
    word, paper, source = COLUMNS[column]
    return _claim(
        f"order_of_{column}",
        f"By the {word} of their games, the methods come roughly in the paper's order: KS, BC, EWC, then "
        "vanilla and scratch.",
        (source, f"{paper} (scratch, vanilla, EWC, BC, KS)"),
        f"each seed's rank correlation over the five methods of {column} of the final games with the paper's",
        partial(measures.order, probe=("final", column), paper=TABLE_4[column]),
        above=ORDERED,
    )


PI_STAR = (
    _claim(
        "pi_star_stays_on_level_1",
        "Compounding errors keep pi* on Close: most of its games end on level 1.",
        ("Text, Figure 4", "61.8 % of 1,024 games"),
        "share of pi*'s own games whose deepest level is 1",
        partial(measures.pi_star_share, measure="depth", chosen=lambda depth: depth <= 1),
        above=0.5,
    ),
    _claim(
        "pi_star_scores_are_skewed",
        "Most of pi*'s games score less than its mean.",
        ("Text, Figure 15", "mean 5221, median 3918"),
        "share of pi*'s own games that score less than their mean",
        partial(measures.pi_star_share, measure="score", chosen=lambda score: score < score.mean()),
        above=0.5,
    ),
    _claim(
        "pi_star_knows_far",
        "pi* is a copy of a policy that is good everywhere: put on Far, it plays well there.",
        ("Section 1, Figure 5", "pi*'s line"),
        f"score gained from the Far level's start states, pi* minus an untrained policy, {SHARE}",
        measures.above_untrained,
        above=1.0 - measures.UNTRAINED,
    ),
    _claim(
        "expert_much_deeper_than_kickstarting",
        "The expert that pi* was cloned from is much deeper than KS: by more than KS is deeper than pi*.",
        ("Figure 4", "in words, of AutoAscend"),
        "deepest level of the expert's recorded games (paper: AutoAscend's; otherwise our player's) minus "
        "KS's, minus KS's minus pi*'s",
        partial(measures.much_deeper_than, method=KS),
        above=0.0,
    ),
)

SCORES = (
    from_pi_star(
        "vanilla_falls_below_pi_star",
        "Vanilla fine-tuning ends below pi*, from which it started.",
        ("Table 4, Figure 3a", "647 against pi*'s 5218"),
        "vanilla",
        below=-MARGIN,
    ),
    from_pi_star(
        "scratch_far_below_pi_star",
        "Training from scratch ends far below pi*.",
        ("Table 4, Figure 3a", "776 against pi*'s 5218"),
        "scratch",
        below=-FAR_BELOW,
    ),
    _claim(
        "vanilla_no_better_than_scratch",
        "Vanilla fine-tuning is no better than training from scratch.",
        ("Table 4, Figure 3a", "647 against 776"),
        f"final score, vanilla minus scratch, {SHARE}; a tenth still counts as no better",
        measures.no_better_than_scratch,
        below=MARGIN,
    ),
    from_pi_star(
        "kickstarting_improves_on_pi_star",
        "With KS, fine-tuning ends well above pi*.",
        ("Table 4, Figure 3a", "10588 against pi*'s 5218"),
        KS,
        above=MARGIN,
    ),
    from_pi_star(
        "behavioral_cloning_improves_on_pi_star",
        "With BC, fine-tuning ends above pi*.",
        ("Table 4, Figure 3a", "7610 against pi*'s 5218"),
        BC,
        above=MARGIN,
    ),
    from_pi_star(
        "ewc_about_pi_star",
        "With EWC, fine-tuning ends at about pi*'s level.",
        ("Table 4, Figure 3a", "3976; about pi*'s 4.5k in the figure, each give or take 1k"),
        "ewc",
        above=-ABOUT,
        below=ABOUT,
    ),
    _above(KS, "vanilla", "KS repairs vanilla fine-tuning: the higher score.", "10588 against 647"),
    _above(BC, "vanilla", "BC repairs vanilla fine-tuning: the higher score.", "7610 against 647"),
    _above("ewc", "vanilla", "EWC repairs vanilla fine-tuning: the higher score.", "3976 against 647"),
    _above(KS, BC, "KS against BC: the higher score.", "10588 against 7610"),
    _above(BC, "ewc", "BC against EWC: the higher score.", "7610 against 3976"),
    _claim(
        "retention_from_scratch_below_pi_star",
        "Without pi*'s weights to start from, BC and KS do not get to pi*.",
        ("Table 5", "scratch + BC 2809, scratch + KS 2090, pi* 5218"),
        f"final score of the better one of {SCRATCH_BC} and {SCRATCH_KS} by seed, {SHARE}; both must have "
        "learned",
        partial(measures.best_from_scratch, methods=(SCRATCH_BC, SCRATCH_KS)),
        below=1.0 - MARGIN,
    ),
    _claim(
        "kickstarting_from_scratch_above_scratch",
        "From scratch, KS is better than no retention.",
        ("Table 5, Table 4", "2090 against 776"),
        f"final score, {SCRATCH_KS} minus scratch",
        partial(measures.difference, better=SCRATCH_KS, worse="scratch", probe=SCORE),
        above=0.0,
    ),
    _claim(
        "behavioral_cloning_above_kickstarting_from_scratch",
        "From scratch, BC is better than KS.",
        ("Table 5", "2809 against 2090"),
        f"final score, {SCRATCH_BC} minus {SCRATCH_KS}",
        partial(measures.difference, better=SCRATCH_BC, worse=SCRATCH_KS, probe=SCORE),
        above=0.0,
    ),
)

COURSES = (
    _claim(
        "vanilla_return_falls",
        "Vanilla's return is highest early in training and falls from there.",
        ("Figure 3a", "2.4k at 15M, 1.2k at 45M, .8k later"),
        f"return in training, {SHARE}: vanilla's in any bin of the first third minus its last tenth",
        partial(curves.loss_from_peak, method="vanilla", part=EARLY),
        above=MARGIN,
    ),
    _claim(
        "kickstarting_return_keeps_rising",
        "KS's return rises throughout training.",
        ("Figure 3a", "7.2k at 20M, 9.5k at 140M, 10.8k at 470M"),
        f"return in training, {SHARE}: each of the two rises of KS between its thirds",
        partial(curves.rise_by_thirds, method=KS),
        above=0.0,
    ),
    _claim(
        "behavioral_cloning_return_rises_then_declines",
        "BC's return rises above pi*'s, then declines a little.",
        ("Figure 3a", "8.2k at 140M, 7.2k at 470M"),
        f"return in training, {SHARE}: the smaller one of BC's minus pi*'s and minus its own last tenth, "
        "in any bin",
        partial(curves.rise_and_loss, method=BC),
        above=0.0,
    ),
    _claim(
        "ewc_rises_then_decays",
        "EWC rises early, then loses what it gained.",
        ("Figure 3a", "6.8k at 25M, then about 4k"),
        f"return in training, {SHARE}: the smaller one of EWC's minus pi*'s and minus its own last tenth, "
        "in any bin of the first third",
        partial(curves.rise_and_loss, method="ewc", part=EARLY),
        above=MARGIN,
    ),
)

DEPTHS = (
    _claim(
        "kickstarting_deeper_than_pi_star",
        "KS goes deeper into the dungeon than pi*.",
        ("Figure 4, Table 4", "2.66 levels; most of pi*'s games end on level 1"),
        "deepest level of KS's final games minus pi*'s",
        partial(measures.plain_change, method=KS, probe=DEPTH),
        above=0.0,
    ),
    *(_order(column) for column in COLUMNS),
)

BENCHMARK = Benchmark(
    measures.EXPERIMENT,
    score="points of the final games, at the last step",
    course=partial(measures.runs, probe=SCORE),
    take=last,
    kept=f"{EARLY_GAIN}, {SHARE}",
    far_kept=far_kept,
    solved=f"return in training is {1.0 + MARGIN:g} of pi*'s or more",
    threshold=1.0 + MARGIN,
    progress=curves.share_of_pi_star,
)
CLAIMS = (*PI_STAR, *SCORES, *COURSES, *FAR_CLAIMS, *DEPTHS, *LEVELS)
