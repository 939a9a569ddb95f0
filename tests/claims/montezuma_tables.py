"""Hand-made tables of Montezuma's Revenge with known outcomes for every claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

MILLION = 1_000_000
STEPS = tuple(range(0, 101 * MILLION, 10 * MILLION))
KNOTS = (0, 10 * MILLION, 20 * MILLION, 50 * MILLION, 100 * MILLION)
VISIT = 15 * MILLION  # the last milestone before it is at 10M steps
Curve = tuple[float, float, float, float, float]  # at KNOTS, straight lines between them
PI_STAR = 0.8
SUCCESS: dict[str, Curve] = {
    "scratch": (0.3, 0.3, 0.3, 0.4, 0.4),
    "vanilla": (PI_STAR, 0.4, 0.3, 0.55, 0.55),
    "behavioral_cloning": (PI_STAR, 0.76, 0.75, 0.75, 0.75),
    "kickstarting": (PI_STAR, 0.5, 0.5, 0.5, 0.5),
    "ewc": (PI_STAR, 0.76, 0.75, 0.75, 0.75),
}
RETURNS: dict[str, Curve] = {
    "scratch": (0.0, 50.0, 100.0, 500.0, 2000.0),
    "vanilla": (0.0, 100.0, 200.0, 1000.0, 4000.0),
    "behavioral_cloning": (0.0, 1000.0, 2000.0, 6000.0, 6000.0),
    "kickstarting": (0.0, 0.0, 0.0, 0.0, 0.0),
    "ewc": (0.0, 800.0, 1500.0, 2500.0, 2500.0),
}
ROOMS = {"scratch": 2.0, "vanilla": 3.0, "behavioral_cloning": 8.0, "kickstarting": 1.0, "ewc": 5.0}
APART = 0.002  # between neighbouring seeds


def episodes(
    success: Mapping[str, Curve] = SUCCESS,
    returns: Mapping[str, Curve] = RETURNS,
    random_success: float = 0.3,
    from_start: float = 0.0,
    seeds: int = 5,
    steps: Sequence[int] = STEPS,
    experiment: str = "montezuma",
    room: str = "room_7",
) -> pd.DataFrame:
    """Curves of each method, and pi*'s own attempts beside a random policy's from five start states.

    Seeds are spread around the later values, .002 or .2 % apart; start states likewise.
    """
    rows: list[tuple[object, ...]] = []
    for method in success:
        for step in steps:
            height, points = (float(np.interp(step, KNOTS, curves[method])) for curves in (success, returns))
            for seed in range(seeds):
                apart = APART * (seed - seeds // 2) * (step > 0)
                key = (method, seed, step)
                rows.append((*key, room, "far", 0, 0, "success", height + apart))
                rows.append((*key, "start", "close", -1, 0, "return", points * (1.0 + apart)))
    pi_star = success["vanilla"][0]
    for start in range(5):
        apart = APART * (start - 2)
        rows.append(("pi_star", 0, 0, room, "far", start, start, "success", pi_star + apart))
        rows.append(("pi_star", 0, 0, "random", "far", start, start, "success", random_success))
        rows.append(("pi_star", 0, 0, "start", "close", -1, start, "return", from_start + 100 * apart))
    names = ["method", "seed", "step", "probe", "group", "start", "episode", "measure", "value"]
    table = pd.DataFrame(rows, columns=names)
    return table.assign(experiment=experiment, domain="montezuma", condition="")


def training(
    rooms: Mapping[str, float] = ROOMS,
    visit: int | None = VISIT,
    seeds: int = 5,
    last: int = STEPS[-1],
    early: float = 0.01,
    late: int = 2,
) -> pd.DataFrame:
    """Games that spend half of their steps in Room 1 and half in ``2 * rooms - 1``: their mean is ``rooms``.

    In the first half of training all are in Room 1. ``visit``: step of the first visit to Room 7.
    """
    rows: list[tuple[object, ...]] = []
    for method, room in rooms.items():
        for seed in range(seeds):
            apart = 1.0 + APART * (seed - seeds // 2)
            # The first tenth has 1,000 steps, ``early`` of them in Room 7; ``late`` games of five get there.
            rows.append((method, seed, last // 20, "length", 600.0))
            rows.append((method, seed, last // 10, "length", 400.0))
            rows.append((method, seed, last // 10, "room_7", 1000.0 * early * apart))
            rows += [(method, seed, last * 3 // 5, "length", 500.0)] * 5
            rows += [(method, seed, last * 3 // 5, "room_7", 20.0)] * late
            rows.append((method, seed, last // 2, "room_1", 1000.0))
            rows.append((method, seed, last, "room_1", 1000.0 / apart))
            rows.append((method, seed, last, f"room_{2 * room - 1:.0f}", 1000.0 * apart))
            if visit is not None:
                rows.append((method, seed, visit, "first_visit_room_7", float(visit)))
    table = pd.DataFrame(rows, columns=["method", "seed", "step", "metric", "value"])
    return table.assign(experiment="montezuma", domain="montezuma")


def montezuma() -> dict[str, dict[str, pd.DataFrame]]:
    """Tables of the experiment and of its variants, all as in the paper."""
    tables = {"montezuma": {"episodes": episodes(), "training": training()}}
    for name in VARIANTS:
        tables[name] = {"episodes": episodes(experiment=name)}
    return tables


VARIANTS = (
    "montezuma_coefficient_0.1",
    "montezuma_coefficient_1",
    "montezuma_room_4",
    "montezuma_room_10",
    "montezuma_room_14",
    "montezuma_memory_100",
)
