"""The card of a policy in the layout of the Hugging Face Hub: YAML front matter, then Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from huggingface_hub import EvalResult, ModelCardData
from jinja2 import Environment, PackageLoader, StrictUndefined

from fpc.core.numbers import number

PAPER = "2402.02868"  # arXiv
LICENCE = "mit"
NOT_STATED = "not-stated"  # licence of weights that were made from others' files


@dataclass(frozen=True)
class Measurement:
    """The mean of one measure of one probe, over ``episodes`` episodes of ``seeds`` seeds."""

    condition: str
    probe: str
    group: str  # close, far or whole
    measure: str
    mean: float
    episodes: int
    seeds: int


@dataclass(frozen=True)
class Card:
    """What a card says of a policy."""

    run: Mapping[str, Any]  # as in its manifest
    domain: str
    step: int | None  # of the milestone; None for pi*
    steps: int | None  # that the run took
    options: Mapping[str, Any]  # of the method
    manifest: str  # path in the project
    manifest_sha256: str
    weights_sha256: str
    version: str
    code: Mapping[str, Any]
    parents: Mapping[str, str]  # manifest -> sha256
    externals: Mapping[str, str]  # address -> sha256, of the artifact and its ancestors
    evaluation: str | None  # the manifest of the tables that were measured
    measurements: Sequence[Measurement]
    example: str

    @property
    def policy(self) -> str:
        """The method, or pi_star."""
        return str(self.run.get("method") or "pi_star")

    @property
    def name(self) -> str:
        """A name such as ``robotic_sequence-ewc-laptop-seed-0``."""
        seeds = self.run["seeds"]
        words = f"seed-{seeds[0]}" if len(seeds) == 1 else f"seeds-{seeds[0]}-{seeds[-1]}"
        return "-".join((self.run["experiment"], self.policy, self.run["label"].replace("+", "-"), words))


def card_text(card: Card) -> str:
    """The card: a README.md."""
    environment = Environment(
        loader=PackageLoader("fpc.reporting"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["number"] = number
    body = environment.get_template("model_card.md.j2").render(card=card, paper=PAPER)
    return f"---\n{front_matter(card).to_yaml()}\n---\n\n{body}"


def front_matter(card: Card) -> ModelCardData:
    """Metadata for the Hub: licence, tags, and the measurements as a model index."""
    foreign = bool(card.externals)
    tags = ["reinforcement-learning", "fine-tuning", "forgetting", card.domain, card.policy]
    return ModelCardData(
        license="other" if foreign else LICENCE,
        license_name=NOT_STATED if foreign else None,
        library_name="fpc",
        pipeline_tag="reinforcement-learning",
        tags=[*tags, f"arxiv:{PAPER}"],
        model_name=card.name,
        eval_results=[_result(card, item) for item in card.measurements] or None,
    )


def _result(card: Card, item: Measurement) -> EvalResult:
    experiment = card.run["experiment"]
    return EvalResult(
        task_type="reinforcement-learning",
        dataset_type=experiment,
        dataset_config=" ".join(filter(None, (item.condition, item.probe))),  # by this, results are grouped
        dataset_name=" ".join(filter(None, (experiment, item.condition, item.probe, f"({item.group})"))),
        metric_type=item.measure,
        metric_name="success rate" if item.measure == "success" else f"mean {item.measure}",
        metric_value=item.mean,
        metric_args={"episodes": item.episodes, "seeds": item.seeds},
    )
