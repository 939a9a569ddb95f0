"""Claims about Montezuma's Revenge. Far is the room that pi* was trained from (the paper's Room 7).

The rules were fixed before the runs they judge. Nothing can be forgotten where pi* is hardly better than a
random policy in the same attempts, and returns say nothing where nobody earns a point. In the room pi*'s
success is the yardstick, and ``MARGIN`` the paper's own "give or take". Levels have the paper's tolerance, or
``RETURN_BAND`` where it states none.
"""

from __future__ import annotations

from functools import partial

from fpc.claims import montezuma_measures as measured
from fpc.claims.claim import Claim, claim_of
from fpc.claims.montezuma_benchmark import BENCHMARK as BENCHMARK
from fpc.claims.montezuma_measures import BC, EARLY, EXPERIMENT, FIRST_KEY, KNOWN, KS, MARGIN, PLATEAU, Take

DOMAIN = EXPERIMENT
STEADY, AFTER_FALL = 0.75, 0.55  # figure 6: success of BC and EWC; of vanilla after EARLY
FINAL = 6000  # figure 3b: BC's return at the end, in points
RETURN_BAND = 2**0.5  # "about": nearer to that return, as a ratio, than to half or twice of it
FLAT = 0.25  # share of its mean by which a plateau may rise or fall
SUCCESS, RETURN = "success in Room 7", "return from where games begin"
SMALL_MEMORY = f"{EXPERIMENT}_memory_100"
LABELS = {BC: "BC", KS: "KS", "ewc": "EWC", "vanilla": "vanilla fine-tuning", "scratch": "scratch"}
FASTER = f"{RETURN}, mean over the first {PLATEAU // 1_000_000}M steps"
AT_THE_END = f"{RETURN}, mean over the last fifth of training"
_claim = partial(claim_of, DOMAIN)


def _keeps_unvisited(method: str) -> Claim:
    return _claim(
        f"{method}_keeps_unvisited_far",
        f"With {LABELS[method]}, Room 7 is not lost before training gets there.",
        ("Section 1, Figure 6", "near pi*'s"),
        f"{SUCCESS} at the last milestone before the first visit minus pi*'s; a tenth below still counts",
        partial(measured.change, method=method, take=measured.last, runs_in=measured.unvisited),
        above=-MARGIN,
    )


def _keeps(method: str) -> Claim:
    return _claim(
        f"{method}_keeps_far",
        f"With {LABELS[method]}, success in Room 7 stays at pi*'s level or a little below.",
        ("Figure 6", "steady, near pi*'s"),
        f"{SUCCESS}, at the last milestone up to 20M steps and in the last fifth of training, minus pi*'s; a "
        "tenth below still counts",
        partial(measured.change, method=method, take=measured.early_and_ending),
        above=-MARGIN,
    )


def _above_in_room(better: str) -> Claim:
    return _claim(
        f"{better}_above_vanilla_on_far",
        f"{LABELS[better]} is better in Room 7 than vanilla fine-tuning, which is the lowest.",
        ("Figure 6", "about .75 against .55"),
        f"{SUCCESS}, mean over training, {better} minus vanilla",
        partial(measured.difference, better=better, worse="vanilla", take=measured.height),
        above=0.0,
    )


def _return(better: str, worse: str, paper: tuple[str, str] = ("Figure 3b", "in words")) -> Claim:
    return _claim(
        f"{better}_above_{worse}",
        f"{LABELS[better][0].upper()}{LABELS[better][1:]} ends with a higher return than {LABELS[worse]}.",
        paper,
        f"{AT_THE_END}, {better} minus {worse}",
        partial(measured.return_difference, better=better, worse=worse),
        above=0.0,
    )


def _faster(better: str, worse: str) -> Claim:
    return _claim(
        f"{better}_faster_than_{worse}",
        f"{LABELS[better]} is faster than {LABELS[worse]}.",
        ("Figure 3b", "in words"),
        f"{FASTER}, {better} minus {worse}",
        partial(measured.return_difference, better=better, worse=worse, take=measured.before_plateau),
        above=0.0,
    )


def _farther(worse: str) -> Claim:
    return _claim(
        f"bc_farther_than_{worse}",
        f"With BC, games get to farther rooms than with {LABELS[worse]}.",
        ("Figure 18", "shares of the rooms"),
        "number of the room (in visiting order), mean over the steps of the last fifth of training, BC minus "
        f"{worse}",
        partial(measured.farther, better=BC, worse=worse),
        above=0.0,
    )


def _success_level(method: str, value: float, take: Take, when: str) -> Claim:
    return _claim(
        f"{method}_success_level",
        f"In Room 7, {LABELS[method]} succeeds in about {100 * value:.0f} % of attempts {when}.",
        ("Figure 6", f"{value:g} ± {MARGIN:g}"),
        f"{SUCCESS} of {method}, mean {when}",
        partial(measured.level, method=method, take=take),
        above=round(value - MARGIN, 2),
        below=round(value + MARGIN, 2),
        kind="level",
    )


def _coefficient(value: str) -> Claim:
    """A claim about BC's return with another coefficient; vanilla is that of the plain experiment."""
    experiment = f"{EXPERIMENT}_coefficient_{value}"
    return Claim(
        f"{experiment}_bc_above_vanilla",
        DOMAIN,
        (experiment, EXPERIMENT),
        f"With the coefficient {value}, BC still ends above vanilla fine-tuning.",
        "Figure 13",
        "two coefficients, not printed",
        f"{AT_THE_END}, BC minus vanilla",
        0.0,
        None,
        partial(measured.return_difference, better=BC, worse="vanilla", variant=experiment),
    )


def _room(room: int) -> Claim:
    """A claim about the return where pi* was trained from another room on."""
    experiment = f"{EXPERIMENT}_room_{room}"
    return Claim(
        f"{experiment}_bc_above_vanilla",
        DOMAIN,
        (experiment,),
        f"With pi* trained from Room {room} on, BC still ends above vanilla fine-tuning.",
        "Figure 17",
        "three rooms, of which the paper names Room 14",
        f"{AT_THE_END}, BC minus vanilla",
        0.0,
        None,
        partial(
            measured.return_difference, better=BC, worse="vanilla", variant=experiment, baseline=experiment
        ),
    )


IN_THE_ROOM = (
    _claim(
        "pi_star_knows_far",
        "pi* is good in Room 7.",
        ("Section 4, Figure 6", "about .75 or a little above"),
        "pi*'s success minus a random policy's in the same attempts; good is twice the paper's give or take",
        measured.known_beyond_random,
        above=KNOWN,
    ),
    _claim(
        "pi_star_fails_close",
        "pi* is good on Far only: from where games begin it gets no further than an untrained policy.",
        ("Section 1", "state coverage gap"),
        "pi*'s return from where games begin minus that of scratch at step 0; less than a key, 100 "
        "points, still counts",
        measured.gain_from_the_start,
        below=FIRST_KEY,
    ),
    _claim(
        "far_hardly_visited_early",
        "Room 7 is Far: fine-tuning hardly visits it at first.",
        ("Section 1", "not visited early"),
        "share of vanilla's steps that are in Room 7, over the games that end in the first tenth of training",
        partial(measured.share_of_early_steps, method="vanilla"),
        below=measured.HARDLY,
    ),
    _claim(
        "far_visited_later",
        "Fine-tuning gets to Room 7 later, so that keeping it pays.",
        ("Section 1, Figure 18", "visited later"),
        "share of BC's games that visit Room 7, over those that end in the second half of training",
        partial(measured.share_of_late_games, method=BC),
        above=measured.AT_LEAST,
    ),
    _claim(
        "vanilla_forgets_unvisited_far",
        "Vanilla fine-tuning loses Room 7 before it gets there.",
        ("Section 1, Figure 6", "falls"),
        f"{SUCCESS} at the last milestone before the first visit minus pi*'s; a loss is more than a tenth",
        partial(measured.change, method="vanilla", take=measured.last, runs_in=measured.unvisited),
        below=-MARGIN,
    ),
    _keeps_unvisited(BC),
    _keeps_unvisited("ewc"),
    _claim(
        "behavioral_cloning_above_vanilla_on_unvisited_far",
        "Before training gets to Room 7, BC is better there than vanilla fine-tuning.",
        ("Section 1, Figure 6", "near pi*'s against a fall"),
        f"{SUCCESS}, behavioral_cloning minus vanilla in pairs of seeds, at the last milestone before either "
        "first visits it",
        partial(measured.unvisited_difference, better=BC, worse="vanilla"),
        above=0.0,
    ),
    _claim(
        "vanilla_forgets_far",
        "Vanilla's success in Room 7 falls.",
        ("Figure 6", "falls"),
        f"{SUCCESS} at the last milestone up to 20M steps minus pi*'s; a loss is more than a tenth",
        partial(measured.change, method="vanilla", take=measured.early),
        below=-MARGIN,
    ),
    _claim(
        "vanilla_recovers",
        "After 20M steps vanilla learns Room 7 again.",
        ("Figure 6", "recovers in part"),
        f"{SUCCESS}, mean from 40M steps on, minus that at the last milestone up to 20M",
        partial(measured.recovery, method="vanilla"),
        above=0.0,
    ),
    _claim(
        "vanilla_recovers_in_part",
        "Vanilla learns Room 7 again in part only.",
        ("Figure 6", "in part: about .55"),
        f"{SUCCESS}, mean from 40M steps on, minus pi*'s; a loss is more than a tenth",
        partial(measured.change, method="vanilla", take=measured.late),
        below=-MARGIN,
    ),
    _keeps(BC),
    _keeps("ewc"),
    _above_in_room(BC),
    _above_in_room("ewc"),
    _success_level(BC, STEADY, measured.height, "over training"),
    _success_level("ewc", STEADY, measured.height, "over training"),
    _success_level("vanilla", AFTER_FALL, measured.after_early, f"after {EARLY // 1_000_000}M steps"),
)
RETURNS = (
    _return(BC, "vanilla"),
    _return(BC, "ewc"),
    _return(BC, "scratch"),
    _return("ewc", "scratch"),
    _return("vanilla", "scratch"),
    _return(BC, KS, ("Section 1", "KS fails under a state coverage gap")),
    _faster(BC, "vanilla"),
    _faster(BC, "ewc"),
    _faster("ewc", "vanilla"),
    _claim(
        "ewc_saturates",
        "EWC's return is flat from about 50M steps on.",
        ("Figure 3b", "flat from about 5e7"),
        "EWC's return in the second half of the milestones from 50M steps on minus that in the first half, "
        "as a share of its mean; a quarter still counts as flat",
        partial(measured.rise_on_plateau, method="ewc"),
        above=-FLAT,
        below=FLAT,
    ),
    _claim(
        "ewc_saturates_below_vanilla",
        "EWC saturates at a lower return than vanilla fine-tuning.",
        ("Section 1, Figure 3b", "saturates lower"),
        f"{AT_THE_END}, ewc minus vanilla, from 50M steps on",
        partial(measured.return_difference, better="ewc", worse="vanilla", steps=PLATEAU),
        below=0.0,
    ),
    _claim(
        "behavioral_cloning_return",
        "BC ends near the paper's return.",
        ("Figure 3b", f"about {FINAL}"),
        f"{AT_THE_END}, behavioral_cloning, points; nearer to the paper's than to half or twice of it",
        partial(measured.return_at_the_end, method=BC),
        above=round(FINAL / RETURN_BAND),
        below=round(FINAL * RETURN_BAND),
        kind="level",
    ),
    _farther("vanilla"),
    _farther("scratch"),
)
VARIANTS = (
    _coefficient("0.1"),
    _coefficient("1"),
    _room(4),
    _room(10),
    _room(14),
    Claim(
        f"{SMALL_MEMORY}_keeps_far",
        DOMAIN,
        (SMALL_MEMORY,),
        "BC keeps Room 7 with a memory of 100 states too.",
        "Figure 19",
        "from 100 to 10,000 states",
        f"{SUCCESS} at the end of training minus pi*'s; a tenth below still counts",
        -MARGIN,
        None,
        partial(
            measured.change,
            method=BC,
            take=measured.ending,
            runs_in=partial(measured.in_room, experiment=SMALL_MEMORY),
        ),
    ),
)
CLAIMS = (*IN_THE_ROOM, *RETURNS, *VARIANTS)
