"""Claims about RoboticSequence. Far stages are those that pi* was trained on.

Thresholds were fixed before any result was seen: "lost" is below 0.2, "kept" above 0.8, "no better"
within 0.1. Comparisons use success on the whole sequence: averaged over training if the claim is about
the course of training, and at the last step if it is about the outcome.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from fpc.claims import measures
from fpc.claims.claim import Claim, ClaimContext, Measurement, NotTestable, TablesByExperiment
from fpc.claims.measures import Runs, at_least_steps, knows, last_layer_cka, one_sample, runs_of, same_budget
from fpc.core.statistics import worst_drop

DOMAIN = EXPERIMENT = "robotic_sequence"
TWO_STAGES = "robotic_sequence_two_stages"
STAGES = ("0_hammer", "1_push", "2_peg-unplug-side", "3_push-wall")
LOST, KEPT, ALIKE = 0.2, 0.8, 0.1
LEARNED = 0.5  # the budget suffices to learn the sequence if some method gets this far
EARLY, LONG = 100_000, 500_000  # environment steps that the paper's text refers to
Measure = Callable[[TablesByExperiment, ClaimContext], Measurement]


PAPER_STAGES = {
    EXPERIMENT: ("hammer", "push", "peg-unplug-side", "push-wall"),
    f"{EXPERIMENT}_two_stages": ("drawer-open", "pick-place"),
}


def _claim(
    name: str,
    statement: str,
    source: tuple[str, str],
    quantity: str,
    measure: Measure,
    *,
    above: float | None = None,
    below: float | None = None,
    experiments: tuple[str, ...] = (EXPERIMENT,),
) -> Claim:
    stages = PAPER_STAGES.get(experiments[0])
    return Claim(
        f"robotic_{name}", DOMAIN, experiments, statement, *source, quantity, above, below, measure, stages
    )


def lowest_far_success(tables: TablesByExperiment, context: ClaimContext) -> Measurement:
    """Vanilla's lowest Far success after the first step, for each seed."""
    ((_, found),) = tables.items()
    far = runs_of(found, context, "vanilla", group="far")
    knows(far)
    return one_sample(far.values[:, 1:].min(axis=1))


def push_wall_after_100k(tables: TablesByExperiment, context: ClaimContext) -> Measurement:
    """Vanilla's success on push-wall at the first milestone at or after 100k steps."""
    success = runs_of(tables[EXPERIMENT], context, "vanilla", probe=STAGES[-1])
    at_least_steps(success, EARLY)
    knows(success)
    index = int(np.argmax(success.steps >= EARLY))
    return one_sample(success.values[:, index], f"at {success.steps[index]:,} steps")


def far_at_the_end(tables: TablesByExperiment, context: ClaimContext, method: str) -> Measurement:
    """A method's Far success at the last step."""
    ((_, found),) = tables.items()
    far = runs_of(found, context, method, group="far")
    knows(far)
    return one_sample(far.last, f"at {far.steps[-1]:,} steps")


def whole_at_the_end(tables: TablesByExperiment, context: ClaimContext, method: str) -> Measurement:
    """A method's success on the paper's whole sequence, if trained for as long as in the paper."""
    probes = set(measures.table(tables[EXPERIMENT], "episodes")["probe"])
    if not set(STAGES) <= probes:
        raise NotTestable(f"the sequence is not the paper's {', '.join(STAGES)}")
    whole = runs_of(tables[EXPERIMENT], context, method, probe="whole")
    at_least_steps(whole, LONG)
    return one_sample(whole.last)


def outcome_difference(
    tables: TablesByExperiment, context: ClaimContext, better: str, worse: str
) -> Measurement:
    """Whole-sequence success of one method minus another's, at the last step of an equal budget."""
    first, second = _pair(tables, context, better, worse)
    return Measurement(first.last, second.last, f"at {first.steps[-1]:,} steps")


def course_difference(
    tables: TablesByExperiment, context: ClaimContext, better: str, worse: str
) -> Measurement:
    """Whole-sequence success of one method minus another's, averaged over an equal budget."""
    first, second = _pair(tables, context, better, worse)
    return Measurement(first.average, second.average, f"over {first.steps[-1]:,} steps")


def no_better_than_scratch(tables: TablesByExperiment, context: ClaimContext) -> Measurement:
    """``course_difference`` of vanilla and scratch, if the budget suffices for some method to learn."""
    result = course_difference(tables, context, "vanilla", "scratch")
    episodes = measures.table(tables[EXPERIMENT], "episodes")
    whole = episodes[(episodes["probe"] == "whole") & (episodes["measure"] == "success")]
    best = whole.groupby(["method", "step"])["value"].mean().max()
    if best < LEARNED:
        raise NotTestable(
            f"no method reaches {LEARNED:g} on the whole sequence (best {best:.2f}): all are alike"
        )
    return result


def recovered_likelihood(tables: TablesByExperiment, context: ClaimContext) -> Measurement:
    """Fraction of the lost log-likelihood of pi*'s actions that returns along with Far success.

    Uses vanilla's seeds whose Far success was lost but ends above ``LEARNED``.
    """
    far = runs_of(tables[EXPERIMENT], context, "vanilla", group="far")
    likelihood = runs_of(tables[EXPERIMENT], context, "vanilla", measure="log_likelihood", group="far").values
    regained = (far.values[:, 1:].min(axis=1) < LOST) & (far.last > LEARNED)
    if (count := int(regained.sum())) < context.minimum_seeds:
        raise NotTestable(f"vanilla lost and learned Far again in {count} seed(s) only")
    chosen = likelihood[regained]
    lowest = chosen.min(axis=1)
    lost = chosen[:, 0] - lowest
    share = np.divide(chosen[:, -1] - lowest, lost, out=np.ones_like(lost), where=lost > 0)
    return one_sample(share, f"{count} of {len(regained)} seeds learned Far again")


def late_layer_similarity(tables: TablesByExperiment, context: ClaimContext) -> Measurement:
    """CKA of the policy's last hidden layer with pi*'s, at vanilla's last step, over all seeds."""
    cka = last_layer_cka(tables[EXPERIMENT], context, "vanilla", "actor")
    far = runs_of(tables[EXPERIMENT], context, "vanilla", group="far")
    relearned = int(((far.values[:, 1:].min(axis=1) < LOST) & (far.last > LEARNED)).sum())
    note = f"at {cka.steps[-1]:,} steps; {relearned} of {len(far.last)} seeds had learned Far again"
    return one_sample(cka.last, note)


def far_drop(tables: TablesByExperiment, context: ClaimContext) -> Measurement:
    """Largest drop of vanilla's Far success."""
    ((_, found),) = tables.items()
    far = runs_of(found, context, "vanilla", group="far")
    knows(far)
    return one_sample(worst_drop(far.values))


def _pair(tables: TablesByExperiment, context: ClaimContext, first: str, second: str) -> tuple[Runs, Runs]:
    ((_, found),) = tables.items()
    runs = [runs_of(found, context, method, probe="whole") for method in (first, second)]
    same_budget(*runs)
    return runs[0], runs[1]


def _ordering(better: str, worse: str, labels: str) -> Claim:
    return _claim(
        f"{better}_above_{worse}",
        f"{labels} on the whole sequence.",
        ("Figure 3c", "BC > EM > EWC >> vanilla"),
        f"whole-sequence success averaged over training, {better} minus {worse}",
        partial(course_difference, better=better, worse=worse),
        above=0.0,
    )


def _shift(size: str, paper: str, above: float | None, below: float | None) -> Claim:
    return _claim(
        f"shift_{size}",
        f"Observations shifted by c = {size} before the known stages: forgetting is {paper}.",
        ("Figure 22", f"{paper} at c = {size}"),
        "worst drop of vanilla's Far success",
        far_drop,
        above=above,
        below=below,
        experiments=(f"robotic_sequence_shift_{size}",),
    )


BC = "behavioral_cloning"
END = "Far success at the last step, mean over Far stages"
CLAIMS = (
    _claim(
        "vanilla_forgets",
        "Vanilla fine-tuning loses the Far stages, which it does not visit early.",
        ("Figure 7", "falls to 0"),
        "vanilla's lowest Far success over the milestones (a minimum leans towards forgetting)",
        lowest_far_success,
        below=LOST,
    ),
    _claim(
        "vanilla_forgets_two_stages",
        "With two stages, vanilla fine-tuning loses the second while it learns the first.",
        ("Figure 2", "falls"),
        "vanilla's lowest Far success over the milestones (a minimum leans towards forgetting)",
        lowest_far_success,
        below=LOST,
        experiments=(TWO_STAGES,),
    ),
    _claim(
        "push_wall_is_gone",
        "After 100k steps vanilla's success on push-wall is 0.",
        ("Figure 8", "0"),
        "vanilla's push-wall success at the first milestone from 100k steps on",
        push_wall_after_100k,
        below=0.05,
    ),
    _claim(
        "bc_keeps_far",
        "Behavioural cloning keeps or regains the Far stages.",
        ("Figure 7", "near 1"),
        END,
        partial(far_at_the_end, method=BC),
        above=KEPT,
    ),
    _claim(
        "bc_keeps_far_two_stages",
        "With two stages, behavioural cloning keeps the second.",
        ("Figure 2", "near 1"),
        END,
        partial(far_at_the_end, method=BC),
        above=KEPT,
        experiments=(TWO_STAGES,),
    ),
    _claim(
        "bc_solves_more_than_vanilla",
        "With the same budget, behavioural cloning solves the whole sequence more often than vanilla.",
        ("Figure 3c", "BC about .8, vanilla near scratch"),
        "whole-sequence success at the last step, BC minus vanilla",
        partial(outcome_difference, better=BC, worse="vanilla"),
        above=0.0,
    ),
    _claim(
        "bc_solves_most",
        "Behavioural cloning solves all four stages about 80 % of the time.",
        ("Figure 3c", "about 0.80"),
        "BC's whole-sequence success at the last step",
        partial(whole_at_the_end, method=BC),
        above=0.7,
        below=0.9,
    ),
    _ordering(BC, "episodic_memory", "BC is better than EM"),
    _ordering("episodic_memory", "ewc", "EM is better than EWC"),
    _ordering("ewc", "vanilla", "EWC is better than vanilla"),
    _claim(
        "vanilla_no_better_than_scratch",
        "Vanilla fine-tuning is about as good as training from scratch.",
        ("Figure 3c", "vanilla ~ scratch"),
        "whole-sequence success averaged over training, vanilla minus scratch",
        no_better_than_scratch,
        above=-ALIKE,
        below=ALIKE,
    ),
    _claim(
        "kickstarting_fails",
        "Kickstarting fails under a state coverage gap: its teacher never saw Close states.",
        ("Section on state coverage gap", "argued, not measured on this domain"),
        "whole-sequence success averaged over training, KS minus BC",
        partial(course_difference, better="kickstarting", worse=BC),
        below=0.0,
    ),
    _claim(
        "relearned_policy_differs",
        "Where vanilla learns Far again, it is by another policy: pi*'s actions stay unlikely.",
        ("Figure 8", "log-likelihood stays low"),
        "share of the lost log-likelihood of pi*'s actions that is back at the last step",
        recovered_likelihood,
        below=0.5,
    ),
    _claim(
        "late_layers_change",
        "Late layers of the policy do not return to what they were.",
        ("Figure 20", "CKA of late layers stays low"),
        "linear CKA with pi* of the policy's last hidden layer at the last step",
        late_layer_similarity,
        below=0.5,
    ),
    _shift("0.01", "none", None, LOST),
    _shift("0.1", "partial", LOST, KEPT),
    _shift("1", "total", KEPT, None),
    _shift("10", "total", KEPT, None),
    _claim(
        "known_first_is_kept",
        "Without a gap (known stages first) vanilla does not forget.",
        ("Figure 24", "no gap"),
        END,
        partial(far_at_the_end, method="vanilla"),
        above=KEPT,
        experiments=("robotic_sequence_known_first",),
    ),
    _claim(
        "small_memory_suffices",
        "Behavioural cloning still works with 100 states.",
        ("Figure 26", "100 states still work"),
        END,
        partial(far_at_the_end, method=BC),
        above=KEPT,
        experiments=("robotic_sequence_memory_100",),
    ),
)
