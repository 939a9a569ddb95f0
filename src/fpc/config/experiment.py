"""The part of an experiment's configuration that all domains share."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from fpc.config.base import PositiveInt, Section


class Experiment(Section):
    """A domain with one configuration; a figure reads one or more experiments."""

    domain: str = Field(description="Name of the domain, a folder of src/fpc/domains/.")
    seeds: PositiveInt = Field(description="Number of seeds per method: 0 ... seeds-1.")
    seeds_per_run: PositiveInt = Field(
        default=1, description="Seeds trained side by side in one run (vectorised learners)."
    )
    pretrain_per_seed: bool = Field(
        default=False,
        description="Pretrain a separate pi* for each seed; otherwise all runs share the pi* of seed 0.",
    )
    methods: tuple[str, ...] | None = Field(
        default=None,
        description="Methods to run; null runs every entry of `methods` that names this domain.",
    )
    unequal_budget: str | None = Field(
        default=None,
        description="Why methods have different budgets (printed in figures); "
        "unequal budgets without a reason are an error.",
    )
    method_options: dict[str, dict[str, Any]] | None = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="Overrides of the options in `methods` for this experiment: method -> option -> value.",
    )

    @property
    def finetune_needs_collect(self) -> bool:
        """Whether fine-tuning reads what ``collect`` wrote even if the method does not, e.g. start states."""
        return False
