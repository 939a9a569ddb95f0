"""Hand-made tables of RoboticSequence, on which every claim's outcome is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import pandas as pd

from fpc.core.tables import PI_STAR

DOMAIN = "robotic_sequence"
STEPS = (0, 50_000, 100_000, 500_000, 1_000_000, 2_000_000, 4_000_000)
PAPER = ("hammer", "push", "peg-unplug-side", "push-wall")
HAMMER, PUSH, PEG, WALL = (f"{index}_{name}" for index, name in enumerate(PAPER))
Heights = Sequence[float]
Curves = Mapping[str, Mapping[str, Heights]]  # method -> probe -> success at STEPS
Tables = dict[str, pd.DataFrame]
VISITS = {"vanilla": 700_000, "behavioral_cloning": 200_000, "ewc": 600_000, "episodic_memory": 600_000}
GAP = 0.01  # between seeds, which lie evenly around the height


def always(start: float, later: float) -> Heights:
    """One height after the first step."""
    return (start, *([later] * (len(STEPS) - 1)))


MAIN: Curves = {
    "scratch": {
        HAMMER: (0.0, 0.2, 0.4, 0.7, 0.95, 0.95, 0.95),
        PUSH: (0.0, 0.0, 0.1, 0.2, 0.4, 0.7, 0.85),
        PEG: always(0.0, 0.05),
        WALL: always(0.0, 0.05),
        "whole": always(0.0, 0.05),
    },
    "vanilla": {
        HAMMER: (0.0, 0.3, 0.5, 0.8, 0.95, 0.95, 0.95),
        PUSH: (0.0, 0.2, 0.4, 0.6, 0.8, 0.85, 0.9),
        PEG: (1.0, 0.3, 0.05, 0.05, 0.05, 0.3, 0.5),
        WALL: (1.0, 0.1, 0.08, 0.03, 0.05, 0.4, 0.85),
        "whole": (0.0, 0.0, 0.0, 0.0, 0.0, 0.05, 0.1),
    },
    "behavioral_cloning": {
        HAMMER: (0.0, 0.3, 0.5, 0.8, 0.95, 0.95, 0.95),
        PUSH: (0.0, 0.2, 0.4, 0.6, 0.8, 0.85, 0.9),
        PEG: always(1.0, 0.95),
        WALL: always(1.0, 0.95),
        "whole": (0.0, 0.0, 0.2, 0.5, 0.8, 0.8, 0.8),
    },
    "episodic_memory": {
        HAMMER: (0.0, 0.3, 0.5, 0.8, 0.95, 0.95, 0.95),
        PUSH: (0.0, 0.2, 0.4, 0.6, 0.8, 0.85, 0.9),
        PEG: (1.0, 0.4, 0.15, 0.15, 0.3, 0.7, 0.95),
        WALL: (1.0, 0.3, 0.05, 0.05, 0.2, 0.6, 0.9),
        "whole": (0.0, 0.0, 0.0, 0.1, 0.3, 0.6, 0.8),
    },
    "ewc": {
        HAMMER: (0.0, 0.3, 0.5, 0.8, 0.95, 0.95, 0.95),
        PUSH: (0.0, 0.2, 0.4, 0.6, 0.8, 0.85, 0.9),
        PEG: (1.0, 0.7, 0.6, 0.55, 0.6, 0.8, 0.95),
        WALL: (1.0, 0.6, 0.4, 0.35, 0.4, 0.6, 0.75),
        "whole": (0.0, 0.0, 0.0, 0.1, 0.2, 0.3, 0.4),
    },
    "kickstarting": {
        HAMMER: (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.5),
        PUSH: always(0.0, 0.1),
        PEG: always(1.0, 0.6),
        WALL: always(1.0, 0.6),
        "whole": always(0.0, 0.03),
    },
}
TWO: Curves = {
    method: {"0_drawer-open": MAIN[method][HAMMER], "1_pick-place": MAIN[method][WALL], "whole": whole}
    for method, whole in (("vanilla", always(0.0, 0.1)), ("behavioral_cloning", always(0.0, 0.8)))
}


def episodes(curves: Curves, experiment: str = DOMAIN, far: int = 2, seeds: int = 5) -> pd.DataFrame:
    """Episodes, with pi*'s own; the last ``far`` stages are Far, unless the experiment's name says other."""
    rows: list[tuple[object, ...]] = []
    for method, probes in curves.items():
        stages = sorted(set(probes) - {"whole"})
        start = 0 if "known_first" in experiment else 1 if "known_middle" in experiment else len(stages) - far
        known = set(stages[start : start + far])
        for probe, heights in probes.items():
            group = "whole" if probe == "whole" else "far" if probe in known else "close"
            for seed in range(seeds):
                for step, height in zip(STEPS, heights, strict=True):
                    value = height + (GAP * (seed - seeds // 2) if step else 0.0)
                    rows.append((method, seed, step, probe, group, 0, 0, "success", min(1.0, value)))
            if method == "behavioral_cloning":
                own = [
                    (PI_STAR, 0, 0, probe, group, index, index, "success", heights[0]) for index in range(20)
                ]
                rows += own
    names = ["method", "seed", "step", "probe", "group", "start", "episode", "measure", "value"]
    return pd.DataFrame(rows, columns=names).assign(domain=DOMAIN, experiment=experiment, condition="")


def likelihood(heights: Heights = (-2.0, -20.0, -20.0, -20.0, -20.0, -18.0, -15.0)) -> pd.DataFrame:
    """Mean log-likelihood of pi*'s actions under vanilla."""
    rows = [
        ("vanilla", seed, step, probe, "far", -1, -1, "log_likelihood", height * (1 + 0.01 * seed))
        for seed in range(5)
        for step, height in zip(STEPS, heights, strict=True)
        for probe in (PEG, WALL)
    ]
    names = ["method", "seed", "step", "probe", "group", "start", "episode", "measure", "value"]
    return pd.DataFrame(rows, columns=names).assign(domain=DOMAIN, experiment=DOMAIN, condition="")


def representation(
    tuned: Heights = (0.95, 0.6, 0.28), floor: Heights = (0.75, 0.5, 0.2), seeds: int = 5
) -> pd.DataFrame:
    """CKA by layer of vanilla after step 0, and of scratch at step 0."""
    rows = []
    for seed in range(seeds):
        for network in ("actor", "critic_1", "critic_2"):
            for probe in (PEG, WALL):
                for layer, (value, lowest) in enumerate(zip(tuned, floor, strict=True), start=1):
                    noise = 0.001 * layer * (seed - seeds // 2)
                    for step in STEPS:
                        key = (seed, step, network, layer, probe)
                        rows.append(("vanilla", *key, value + noise if step else 1.0))
                        rows.append(("scratch", *key, lowest if step == 0 else 0.9))
    names = ["method", "seed", "step", "network", "layer", "stage", "cka"]
    return pd.DataFrame(rows, columns=names).assign(experiment=DOMAIN)


def training(visits: Mapping[str, int], probe: str = WALL) -> pd.DataFrame:
    """First visits to the last Far stage; a method that never gets there has a row of another metric only."""
    rows = [(method, seed, 100, "return", 0.0) for method in MAIN for seed in range(5)]
    rows += [
        (method, seed, step, f"first_visit_{probe}", float(step))
        for method, step in visits.items()
        for seed in range(5)
    ]
    return pd.DataFrame(rows, columns=["method", "seed", "step", "metric", "value"]).assign(experiment=DOMAIN)


def main(
    curves: Curves = MAIN,
    visits: Mapping[str, int] = VISITS,
    likelihoods: pd.DataFrame | None = None,
    layers: pd.DataFrame | None = None,
) -> Tables:
    """The tables of the main experiment."""
    parts = [episodes(curves), likelihood() if likelihoods is None else likelihoods]
    return {
        "episodes": pd.concat(parts, ignore_index=True),
        "representation": representation() if layers is None else layers,
        "training": training(visits),
    }


def changed(curves: Curves, changes: Mapping[tuple[str, str], Heights]) -> Curves:
    """Curves with other heights for (method, probe)."""
    new = {method: dict(probes) for method, probes in curves.items()}
    for (method, probe), heights in changes.items():
        new[method][probe] = heights
    return new


def named(curves: Curves, names: Sequence[str], methods: Sequence[str]) -> Curves:
    """Curves of the four stages under other names."""
    renamed = dict(zip((HAMMER, PUSH, PEG, WALL), names, strict=True)) | {"whole": "whole"}
    return {
        method: {renamed[probe]: heights for probe, heights in curves[method].items()} for method in methods
    }


FOUR = ("scratch", "vanilla", "behavioral_cloning", "ewc")
SHIFTS = {"0.01": 0.9, "0.1": 0.5, "1": 0.05, "10": 0.05}
TRANSFER = {
    ("push_wall", "vanilla"): (0.18, 0.17, 0.10, 0.0),
    ("push_wall", "ewc"): (0.88, 0.65, 0.64, 0.62),
    ("push_wall", "behavioral_cloning"): (0.93, 0.95, 0.95, 0.95),
    ("peg_unplug_side", "vanilla"): (0.28, 0.15, 0.03, 0.03),
    ("peg_unplug_side", "ewc"): (0.77, 0.55, 0.41, 0.46),
    ("peg_unplug_side", "behavioral_cloning"): (0.92, 0.94, 0.95, 0.94),
}
SCRATCH_AREA = 0.2


def ablations() -> dict[str, Curves]:
    """Curves of the experiments of figures 21 to 27, by what follows ``robotic_sequence_``."""
    four = {method: MAIN[method] for method in FOUR}
    shifted = ("0_peg-unplug-side", "1_push-wall", "2_peg-unplug-side", "3_push-wall")
    middle = ("0_hammer", "3_push", "1_peg-unplug-side", "2_push-wall")
    kept = {("vanilla", probe): always(1.0, 0.95) for probe in (PEG, WALL)}
    found: dict[str, Curves] = {
        "reset_heads": {
            method: {probe: tuple(0.8 * height for height in heights) for probe, heights in probes.items()}
            for method, probes in four.items()
        },
        "known_middle": named(MAIN, middle, tuple(MAIN)),
        "known_first": named(
            changed(MAIN, kept),
            ("2_hammer", "3_push", "0_peg-unplug-side", "1_push-wall"),
            tuple(MAIN),
        ),
        "other": named(MAIN, ("0_shelf-place", "1_push-back", "2_window-close", "3_door-close"), tuple(MAIN)),
    }
    for size, height in SHIFTS.items():
        lost = {("vanilla", probe): always(1.0, height) for probe in (PEG, WALL)}
        if size == "0.01":  # pi* solves the shifted stages at once
            lost |= {("vanilla", probe): always(0.9, 0.95) for probe in (HAMMER, PUSH)}
        found[f"shift_{size}"] = named(changed(four, lost), shifted, ("vanilla",))
    for states, height in (("100", 0.78), ("10000", 0.8)):
        found[f"memory_{states}"] = {"behavioral_cloning": {"whole": always(0.0, height), **_stages()}}
    for width in (256, 512, 1024):
        for depth in (2, 3, 4):
            lost = {("ewc", "whole"): always(0.0, 0.1)} if depth == 2 else {}
            found[f"width_{width}_depth_{depth}"] = changed(four, lost)
    return found


def _stages() -> dict[str, Heights]:
    return {probe: MAIN["behavioral_cloning"][probe] for probe in (HAMMER, PUSH, PEG, WALL)}


def transfers(values: Mapping[tuple[str, str], Heights] = TRANSFER) -> dict[str, Curves]:
    """Constant curves with these values of forward transfer, by what follows ``robotic_sequence_``."""
    found: dict[str, Curves] = {}
    for known in ("push_wall", "peg_unplug_side"):
        for prefix in (1, 2, 3, 4):
            heights = {"scratch": SCRATCH_AREA}
            for method in FOUR[1:]:
                heights[method] = SCRATCH_AREA + (1 - SCRATCH_AREA) * values[known, method][prefix - 1]
            close = {f"{index}_new": always(0.0, 0.9) for index in range(prefix)}
            last = f"{prefix}_{known.replace('_', '-')}"
            found[f"prefix_{prefix}_{known}"] = {
                method: {**close, last: always(height, height)} for method, height in heights.items()
            }
    return found


def far_stages(experiment: str) -> int:
    """Number of Far stages."""
    return 1 if "prefix" in experiment or "two_stages" in experiment else 2


def tables_of(curves: Mapping[str, Curves]) -> dict[str, Tables]:
    """Tables of ablations, by the whole name of the experiment."""
    names = {f"{DOMAIN}_{name}": found for name, found in curves.items()}
    return {name: {"episodes": episodes(found, name, far_stages(name))} for name, found in names.items()}


@cache
def _paper_like() -> dict[str, Tables]:
    return {DOMAIN: main(), **tables_of({"two_stages": TWO, **ablations(), **transfers()})}


def robotic(*, everything: bool = False) -> dict[str, Tables]:
    """Tables that agree with the paper: of the main and two-stage experiments, or of all."""
    found = _paper_like()
    chosen = found if everything else (DOMAIN, f"{DOMAIN}_two_stages")
    return {name: dict(found[name]) for name in chosen}
