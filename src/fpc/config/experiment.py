"""What every experiment has, whatever its domain."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from fpc.config.base import PositiveInt, Section


class Experiment(Section):
    """One domain with one configuration; a figure reads one experiment or several."""

    domain: str = Field(description="Name of the domain, a folder of src/fpc/domains/.")
    seeds: PositiveInt = Field(description="Seeds of each method: 0 ... seeds-1.")
    seeds_per_run: PositiveInt = Field(
        default=1, description="Seeds that one run trains side by side (vectorised learners)."
    )
    pretrain_per_seed: bool = Field(
        default=False,
        description="Give each run a pi* of its own seed; without it all runs share the pi* of seed 0.",
    )
    methods: tuple[str, ...] | None = Field(
        default=None,
        description="Methods to run; without it, every entry of `methods` that names this domain.",
    )
    unequal_budget: str | None = Field(
        default=None,
        description="Why methods have different budgets; printed in figures. Else an error.",
    )
    method_options: dict[str, dict[str, Any]] | None = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="Options that methods have here, over those in `methods`: method -> option -> value.",
    )
