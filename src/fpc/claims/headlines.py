"""Which claims stand for a domain where there is room for a few, as in the report's opening.

They were chosen by what the paper says about the domain, not by their outcomes: ``loss`` is its statement
that fine-tuning loses what pi* knew, ``remedy`` that a method against forgetting helps. Numbers and verdicts
come from ``claims.json`` alone. A domain outside the package keeps its ``HEADLINE`` beside its claims.
"""

from __future__ import annotations

from dataclasses import dataclass

from fpc.claims.testing import declared


@dataclass(frozen=True)
class Headline:
    """The claims and the figure that stand for a domain; ids of claims, and a name in the catalogue."""

    domain: str
    title: str  # the domain's name in a sentence
    figure: str
    loss: str | None
    remedy: str | None = None  # None where the paper tests no method
    main: tuple[str, ...] = ()  # further claims that the page of results lists

    @property
    def claims(self) -> tuple[str, ...]:
        """All its claims, the most important ones first."""
        return (*(name for name in (self.loss, self.remedy) if name is not None), *self.main)


HEADLINES = (
    Headline(
        "robotic_sequence",
        "RoboticSequence",
        "figure_7",
        loss="robotic_vanilla_forgets",
        remedy="robotic_bc_above_vanilla",
        main=(
            "robotic_pi_star_knows_far",
            "robotic_vanilla_forgets_unvisited",
            "robotic_bc_keeps_last_far",
            "robotic_vanilla_like_scratch",
            "robotic_em_above_vanilla",
            "robotic_ewc_above_vanilla",
            "robotic_kickstarting_fails",
            "robotic_vanilla_forgets_two_stages",
            "robotic_bc_keeps_far_two_stages",
        ),
    ),
    Headline(
        "nethack",
        "NetHack",
        "figure_3a",
        loss="nethack_vanilla_forgets_far",
        remedy="nethack_kickstarting_above_vanilla",
        main=(
            "nethack_kickstarting_improves_on_pi_star",
            "nethack_behavioral_cloning_above_vanilla",
            "nethack_ewc_above_vanilla",
            "nethack_kickstarting_above_behavioral_cloning",
            "nethack_vanilla_no_better_than_scratch",
            "nethack_vanilla_falls_below_pi_star",
            "nethack_vanilla_drifts_more_than_kickstarting",
        ),
    ),
    Headline(
        "montezuma",
        "Montezuma's Revenge",
        "figure_6",
        loss="montezuma_vanilla_forgets_far",
        remedy="montezuma_behavioral_cloning_above_vanilla_on_far",
        main=(
            "montezuma_pi_star_knows_far",
            "montezuma_vanilla_forgets_unvisited_far",
            "montezuma_behavioral_cloning_keeps_far",
            "montezuma_ewc_keeps_far",
            "montezuma_ewc_above_vanilla_on_far",
            "montezuma_behavioral_cloning_above_vanilla",
        ),
    ),
    Headline(
        "apple_retrieval",
        "AppleRetrieval",
        "figure_10",
        loss="apple_vanilla_forgets",
        main=(
            "apple_larger_distance_more_forgetting",
            "apple_larger_distance_less_success",
            "apple_smaller_signal_more_forgetting",
        ),
    ),
    Headline(
        "two_state_mdp",
        "the two-state MDP",
        "figure_9",
        loss="two_state_mdp_coverage_forgets",
        main=(
            "two_state_mdp_coverage_reach_probability",
            "two_state_mdp_coverage_value",
            "two_state_mdp_cloning_reach_probability",
        ),
    ),
)


def headline_of(domain: str, claims: tuple[str, ...]) -> Headline:
    """The headline of a domain; one that has none is shown by its first claim, without a figure.

    Args:
        domain: name of the domain.
        claims: ids of its claims in the ledger, not empty.
    """
    for headline in HEADLINES:
        if headline.domain == domain:
            return headline
    own = declared(domain, "HEADLINE")
    return own if isinstance(own, Headline) else Headline(domain, domain, "", loss=None, main=claims[:1])
