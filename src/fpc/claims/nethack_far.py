"""Claims about NetHack's Far start states, and changes from pi*.

Changes are shares of pi*'s mean, as scores depend on the scale: within ``MARGIN`` a change counts as pi*'s
level, below it as a loss. ``ABOUT`` is wider: the paper calls EWC's 4,000 "about" pi*'s 4,500, each give or
take 1,000.
"""

from __future__ import annotations

from functools import partial

from fpc.claims import nethack_early as early
from fpc.claims import nethack_measures as measures
from fpc.claims.claim import Claim, claim_of
from fpc.claims.nethack_measures import DRIFT, FAR, SCORE, SOKOBAN

BC, KS = "behavioral_cloning", "kickstarting"
MARGIN = 0.1  # of pi*'s mean
ABOUT = 0.4  # of pi*'s mean: 2,000 of about 4,500 points
DRIFTED = 0.1  # nats; a noticeable change of a policy of about 100 actions
SHARE = "as a share of pi*'s"
EARLY_GAIN = "score gained on the Far level, at the last milestone in the first tenth of training"

_claim = partial(claim_of, "nethack")


def from_pi_star(
    name: str,
    statement: str,
    source: tuple[str, str],
    method: str,
    probe: measures.Probe = SCORE,
    *,
    above: float | None = None,
    below: float | None = None,
) -> Claim:
    """A claim about the change from pi*'s level at the last step."""
    what = {
        SCORE: "final score",
        FAR: "score gained from the Far level's start states",
        SOKOBAN: "pits filled in Sokoban",
    }[probe]
    return _claim(
        name,
        statement,
        source,
        f"{method}'s {what} at the last step minus pi*'s, {SHARE}",
        partial(measures.change_from_pi_star, method=method, probe=probe),
        above=above,
        below=below,
    )


def _early(
    name: str, statement: str, method: str, *, above: float | None = None, below: float | None = None
) -> Claim:
    return _claim(
        name,
        statement,
        ("Section 1, Figure 5", "argued for all domains"),
        f"{method}'s {EARLY_GAIN}, minus pi*'s, {SHARE}",
        partial(early.early_change, method=method),
        above=above,
        below=below,
    )


FAR_CLAIMS = (
    from_pi_star(
        "vanilla_forgets_far",
        "Vanilla fine-tuning loses what pi* could do on the Far level.",
        ("Figure 5", "below pi* on level 4"),
        "vanilla",
        FAR,
        below=-MARGIN,
    ),
    from_pi_star(
        "scratch_below_pi_star_on_far",
        "Scratch does not get to pi*'s level on Far.",
        ("Figure 5", "below pi* on level 4"),
        "scratch",
        FAR,
        below=-MARGIN,
    ),
    from_pi_star(
        "kickstarting_above_pi_star_on_far",
        "KS gains more on the Far level than pi*.",
        ("Figure 5", "above pi* on level 4"),
        KS,
        FAR,
        above=0.0,
    ),
    from_pi_star(
        "behavioral_cloning_above_pi_star_on_far",
        "BC gains more on the Far level than pi*.",
        ("Figure 5", "above pi* on level 4"),
        BC,
        FAR,
        above=0.0,
    ),
    from_pi_star(
        "ewc_about_pi_star_on_far",
        "EWC is at about pi*'s level on Far.",
        ("Figure 5", "about pi* on level 4"),
        "ewc",
        FAR,
        above=-ABOUT,
        below=ABOUT,
    ),
    from_pi_star(
        "behavioral_cloning_about_pi_star_in_sokoban",
        "In Sokoban, BC is about as good as pi*.",
        ("Figure 5", "about pi* in Sokoban"),
        BC,
        SOKOBAN,
        above=-ABOUT,
        below=ABOUT,
    ),
    from_pi_star(
        "kickstarting_below_pi_star_in_sokoban",
        "In Sokoban, KS is worse than pi*.",
        ("Figure 5", "below pi* in Sokoban"),
        KS,
        SOKOBAN,
        below=-MARGIN,
    ),
    from_pi_star(
        "ewc_below_pi_star_in_sokoban",
        "In Sokoban, EWC is worse than pi*.",
        ("Figure 5", "below pi* in Sokoban"),
        "ewc",
        SOKOBAN,
        below=-MARGIN,
    ),
    _claim(
        "vanilla_and_scratch_fail_in_sokoban",
        "In Sokoban, vanilla and scratch do next to nothing.",
        ("Figure 5", ".1 at most"),
        f"pits filled in Sokoban at the last step, {SHARE}: the better one of vanilla and scratch by seed",
        partial(measures.most_pits, relative=True),
        below=0.5,
    ),
    _early(
        "vanilla_forgets_far_early",
        "Vanilla loses skill on Far early in training.",
        "vanilla",
        below=-MARGIN,
    ),
    _claim(
        "vanilla_forgets_sokoban_before_it_gets_there",
        "Vanilla loses skill in Sokoban before it visits it.",
        ("Section 1, Figure 5", "argued for all domains"),
        "vanilla's pits filled in Sokoban, at the last milestone before training first gets there, minus "
        f"pi*'s, {SHARE}",
        partial(early.before_sokoban, method="vanilla"),
        below=-MARGIN,
    ),
    _early(
        "kickstarting_keeps_far_early",
        "With KS, skill on Far is not lost early.",
        KS,
        above=-MARGIN,
    ),
    _early(
        "behavioral_cloning_keeps_far_early",
        "With BC, skill on Far is not lost early.",
        BC,
        above=-MARGIN,
    ),
    _claim(
        "behavioral_cloning_above_vanilla_on_far_early",
        "Early in training BC has kept more of Far than vanilla.",
        ("Section 1, Figure 5", "argued for all domains"),
        f"{EARLY_GAIN}, {SHARE}: BC minus vanilla",
        partial(early.early_difference, better=BC, worse="vanilla"),
        above=0.0,
    ),
    _claim(
        "vanilla_drifts",
        "On Far states vanilla moves away from pi*.",
        ("Section 4", "not printed"),
        "KL(pi* || pi_theta) on the expert's Far steps at vanilla's last step, nats",
        partial(measures.drift, method="vanilla"),
        above=DRIFTED,
    ),
    _claim(
        "vanilla_drifts_more_than_kickstarting",
        "On Far states vanilla moves further away from pi* than KS.",
        ("Section 4", "not printed"),
        "KL(pi* || pi_theta) on the expert's Far steps at the last step, vanilla minus kickstarting, nats",
        partial(measures.difference, better="vanilla", worse=KS, probe=DRIFT),
        above=0.0,
    ),
)
