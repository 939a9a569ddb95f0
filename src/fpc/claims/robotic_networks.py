"""Claims about what became of the network: log-likelihood of pi*'s actions (figure 8), CKA (figure 20).

Untrained networks are alike too: on the same states their linear CKA can be above .6. So CKA is given on a
scale on which 0 is an untrained network's (scratch at step 0, the same layer and states) and 1 pi*'s own.
"""

from __future__ import annotations

from functools import partial
from typing import Literal

import numpy as np

from fpc.claims.claim import ClaimContext, Measurement, NotTestable, Tables, TablesByExperiment
from fpc.claims.measures import Runs, one_sample, pivoted, runs_of, table
from fpc.claims.robotic_measures import (
    LEARNED,
    LOST,
    SCRATCH,
    VANILLA,
    at_the_end,
    course,
    knows,
    only,
    robotic,
    stage,
)

POLICY, CRITICS = ("actor",), ("critic_1", "critic_2")
HIGHEST_FLOOR = 0.9  # above this an untrained layer is so like pi*'s that nothing can be lost
Layer = Literal["first", "last"]
LAYERS: tuple[Layer, Layer] = ("first", "last")


def scaled_cka(
    tables: Tables, context: ClaimContext, networks: tuple[str, ...], layer: Layer, method: str = VANILLA
) -> Runs:
    """CKA of networks' first or last hidden layer with pi*'s: 0 as an untrained network's, 1 as pi*'s own.

    Raises:
        NotTestable: the table, the method or scratch is missing, or the untrained layer is as good as pi*'s.
    """
    rows = table(tables, "representation")
    rows = rows[rows["network"].isin(networks) & rows["cka"].notna()]
    rows = rows[rows["layer"] == (rows["layer"].min() if layer == "first" else rows["layer"].max())]
    tuned, untrained = (rows[rows["method"] == name] for name in (method, SCRATCH))
    untrained = untrained[untrained["step"] == 0]
    for name, found in ((method, tuned), ("untrained scratch, the floor of CKA", untrained)):
        if found.empty:
            raise NotTestable(f"no representations of {name} ({', '.join(networks)})")
    # Averaged before they are scaled: a stage in which all networks are alike would have little but noise.
    keys = ["network", "stage"]
    floor = float(untrained.groupby(keys, observed=True)["cka"].mean().mean())
    if floor > HIGHEST_FLOOR:
        raise NotTestable(
            f"untrained networks' CKA with pi* is {floor:.2f} in the {layer} layer: it cannot fall"
        )
    means = tuned.groupby(["seed", "step"], observed=True)["cka"].mean()
    scaled = ((means - floor) / (1.0 - floor)).rename("value")
    return pivoted(scaled.reset_index(), context, method)


def late_layers(tables: TablesByExperiment, context: ClaimContext, networks: tuple[str, ...]) -> Measurement:
    """``scaled_cka`` of the last hidden layer at the end of vanilla fine-tuning."""
    runs = scaled_cka(only(tables), context, networks, "last")
    return one_sample(at_the_end(runs), f"{runs.steps[-1]:,} steps; 0 is an untrained network's")


def early_minus_late(tables: TablesByExperiment, context: ClaimContext) -> Measurement:
    """``scaled_cka`` of the policy's first hidden layer minus that of its last, in the same runs."""
    early, late = (scaled_cka(only(tables), context, POLICY, layer) for layer in LAYERS)
    return one_sample(at_the_end(early) - at_the_end(late), f"{early.steps[-1]:,} steps")


def recovered_likelihood(tables: TablesByExperiment, context: ClaimContext) -> Measurement:
    """Share of the lost log-likelihood of pi*'s actions that is back once the last Far stage is.

    Uses vanilla's seeds whose success there was lost and ends above ``LEARNED`` of pi*'s.
    """
    found = only(tables)
    probe = stage(found, "last_far")
    success = course(found, context, VANILLA, probe)
    knows(found, context, success, probe)
    likelihood = runs_of(found, context, VANILLA, measure="log_likelihood", probe=probe)
    known = float(success.first.mean())
    regained = (success.lowest < LOST * known) & (at_the_end(success) > LEARNED * known)
    seeds = [seed for seed, back in zip(success.seeds, regained, strict=True) if back]
    if len(seeds) < context.minimum_seeds:
        raise NotTestable(f"vanilla lost and learned {probe} again in {len(seeds)} seed(s) only")
    chosen = likelihood.of(seeds).values
    lowest = chosen.min(axis=1)
    lost = chosen[:, 0] - lowest
    share = np.divide(chosen[:, -1] - lowest, lost, out=np.ones_like(lost), where=lost > 0)
    return one_sample(share, f"{len(seeds)} of {len(success.seeds)} seeds learned {probe} again")


SCALE = "on a scale from an untrained network's (0) to pi*'s own (1)"
NETWORK_CLAIMS = (
    robotic(
        "relearned_policy_differs",
        "Where vanilla learns Far again, it is by another policy: pi*'s actions stay unlikely.",
        ("Figure 8", "log-likelihood stays low; the first solution does not come back"),
        "share of the lost log-likelihood of pi*'s actions on the last Far stage that is back at the last "
        "step",
        recovered_likelihood,
        below=0.5,
    ),
    robotic(
        "late_layers_change",
        "Late layers of the policy do not return to what they were.",
        ("Figure 20", "CKA of late layers stays low"),
        f"linear CKA with pi* of vanilla's last hidden policy layer at the end, {SCALE}",
        partial(late_layers, networks=POLICY),
        below=0.5,
    ),
    robotic(
        "late_critic_layers_change",
        "Late layers of the critics do not return to what they were.",
        ("Figure 20", "CKA per layer of both critics"),
        f"linear CKA with pi* of both critics' last hidden layer at the end of vanilla, {SCALE}",
        partial(late_layers, networks=CRITICS),
        below=0.5,
    ),
    robotic(
        "early_layers_change_less",
        "Early layers of the policy change less than late ones.",
        ("Figure 20", "in words, late layers"),
        f"linear CKA with pi* at the end of vanilla, first hidden policy layer minus last, each {SCALE}",
        early_minus_late,
        above=0.0,
    ),
)
