"""A wrong configuration gives one message with file, key, allowed values and how to fix it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fpc.core.errors import ConfigError
from fpc.domains.registry import domain_names
from fpc.domains.robotic_sequence.meta_world import TASKS
from fpc.workflow.loader import load, scales, variants
from fpc.workflow.run_table import rows

DOMAINS = set(domain_names())


def overlay(project: Path, text: str) -> None:
    """Write configs/broken.yaml."""
    (project / "configs" / "broken.yaml").write_text(f"scale: broken\n{text}", encoding="utf-8")


def message(scale: str = "broken") -> str:
    with pytest.raises(ConfigError) as caught:
        load(scale)
    return str(caught.value)


@pytest.mark.usefixtures("project")
def test_every_scale_and_variant_is_valid() -> None:
    domains = {scale: {item.domain for item in load(scale).experiments.values()} for scale in scales()}
    assert sum(found == DOMAINS for found in domains.values()) >= 3
    for scale, found in domains.items():
        assert rows(load(scale))
        for variant in variants():
            refused = rejected(scale, variant)
            if refused is not None:  # its figures are of a domain that the scale does not have
                missing = re.search(r"figure\.names: \w+ reads experiment '(nethack|montezuma)", refused)
                assert missing, (scale, variant, refused)
                assert missing[1] not in found


def rejected(scale: str, variant: str) -> str | None:
    """Why a scale is not valid with a variant; None if it is, and has something to run."""
    try:
        return None if rows(load(scale, variant)) else "nothing to run"
    except ConfigError as error:
        return str(error)


def test_a_scale_may_have_some_domains_only(project: Path) -> None:
    overlay(project, "domains: [nethack, montezuma]\nfigure: {names: [figure_3a]}")
    assert set(load("broken").experiments) == {"nethack", "montezuma"}
    overlay(project, "domains: [nethak]")
    assert re.search(r"broken\.yaml: domains: unknown domain 'nethak'.*Did you mean 'nethack'", message())


@pytest.mark.usefixtures("project")
def test_smaller_memories_are_parts_of_equal_collections() -> None:
    """States are shuffled once collected: a collection of 100 is the start of two episodes, not a sample."""
    for scale in scales():
        configuration, method = load(scale, "figure_26"), "behavioral_cloning"
        found = {
            name: (section.collect.states, configuration.options(name, method).memory_size)
            for name, section in configuration.experiments.items()
            if "_memory_" in name
        }
        assert found == {
            f"robotic_sequence_memory_{size}": (10_000, size) for size in (100, 300, 1_000, 3_000, 10_000)
        }


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            "experiments: {robotic_sequence: {finetune: {step: 5}}}",
            ["broken.yaml", "experiments.robotic_sequence.finetune.step", "Did you mean 'steps'?"],
        ),
        (
            "experiments: {robotic_sequence: {finetune: {sac: {discount: 0.9}}}}",
            ["broken.yaml", "finetune.sac.discount: 'discount' is called 'gamma' now."],
        ),
        (
            "experiments: {nethack: {finetune: {appo: {gradient_clip: 1.0}}}}",
            ["broken.yaml", "'gradient_clip' is called 'max_grad_norm' now."],
        ),
        ("experiments: {nethack: {pretrain: {discount: 1.0}}}", ["broken.yaml", "unknown key 'discount'"]),
        ("claim: {}", ["broken.yaml", "unknown key 'claim'", "Did you mean 'claims'?"]),
        (
            "experiments: {robotic_sequence: {finetune: {steps: many}}}",
            ["broken.yaml", "robotic_sequence.finetune.steps", "integer", "'many'"],
        ),
        (
            "experiments: {robotic_sequence: {finetune: {sac: {gamma: 1.5}}}}",
            ["broken.yaml", "finetune.sac.gamma", "less than or equal to 1", "1.5"],
        ),
        (
            "methods: {episodic_memory: {apple_retrieval: {memory_size: 5}}}",
            ["broken.yaml", "replay_buffer", "reinforce", "behavioral_cloning"],
        ),
        (
            "methods: {behavioural_cloning: {robotic_sequence: {}}}",
            ["broken.yaml", "Did you mean 'behavioral_cloning'?"],
        ),
        (
            "methods: {ewc: {robotic_sequence: {steps: 5}}}",
            ["broken.yaml", "methods.ewc.robotic_sequence.steps", "unequal", "unequal_budget"],
        ),
        (
            "experiments: {robotic_sequence_two_stages: {extends: robotic_sequenc}}",
            ["broken.yaml", "extends", "Did you mean 'robotic_sequence'?"],
        ),
        ("experiments: {new: {domain: atari}}", ["broken.yaml", "experiments.new.domain", "two_state_mdp"]),
        (
            "plan: {jobs: {robotic_sequence: {collect: {runtime: 9, mem_mb: 9, cpus: 1, gpus: 1}}}}",
            ["broken.yaml", "plan.jobs.robotic_sequence.collect.gpus", "CPUs only", "use a GPU: finetune."],
        ),
        (
            "plan: {jobs: {netHack: {finetune: {runtime: 9, mem_mb: 9, cpus: 1, gpus: 0}}}}",
            ["broken.yaml", "plan.jobs.netHack: unknown domain", "Did you mean 'nethack'?"],
        ),
        (
            "plan: {steps_per_second: {nethack: {fine_tune: 9}}}",
            [
                "broken.yaml",
                "plan.steps_per_second.nethack.fine_tune: unknown phase",
                "Did you mean 'finetune'?",
            ],
        ),
        (
            "plan: {speed_sources: {atari: a GPU}}",
            ["broken.yaml", "plan.speed_sources.atari: unknown domain"],
        ),
        ("figure: {names: [figure_10, figure_9, figure_10]}", ["broken.yaml", "figure_10 is listed 2 times"]),
        (
            "figure: {names: figure_9}",
            ["broken.yaml", "figure.names: must be a list, such as [a, b] (found 'fig"],
        ),
        (
            "experiments: {robotic_sequence: {seeds: true}}",
            ["broken.yaml", "robotic_sequence.seeds", "valid integer (found True)"],
        ),
        (
            "experiments: {robotic_sequence: {seeds: '3'}}",
            ["broken.yaml", "robotic_sequence.seeds", "valid integer (found '3')"],
        ),
        (
            "experiments: {robotic_sequence: {seeds: 1.0e+9}}",
            ["broken.yaml", "robotic_sequence.seeds", "at most 1000"],
        ),
        (
            "experiments: {robotic_sequence: {finetune: {steps: 1.0e+12}}}",
            [
                "broken.yaml",
                "robotic_sequence.finetune.steps",
                "every 50000 (evaluate_every)",
                "at most 10000",
            ],
        ),
        (
            "experiments: {robotic_sequence: {finetune: {evaluate_every: 1}}}",
            ["broken.yaml", "robotic_sequence.finetune.evaluate_every", "gives 4000000 milestones"],
        ),
        (
            "experiments: {two_state_mdp: {finetune: {milestones: 1.0e+12}}}",
            ["broken.yaml", "two_state_mdp.finetune.milestones", "at most 10000"],
        ),
        (
            "experiments: {robotic_sequence: {method_options: {ewc: {steps: 1.0e+12}}}}",
            ["broken.yaml", "robotic_sequence.method_options.ewc.steps", "at most 10000"],
        ),
        (
            "methods: {ewc: {robotic_sequence: {steps: 1.0e+12}}}",
            ["broken.yaml", "methods.ewc.robotic_sequence.steps", "at most 10000"],
        ),
        ("figure: {resamples: 1.0e+9}", ["broken.yaml", "figure.resamples", "at most 1000000"]),
        ("claims: {resamples: 1.0e+9}", ["broken.yaml", "claims.resamples", "at most 1000000"]),
        ("claims: {level: 0}", ["broken.yaml", "claims.level", "greater than 0 (found 0)"]),
        ("claims: {level: 1}", ["broken.yaml", "claims.level", "less than 1 (found 1)"]),
        (
            "domains: [two_state_mdp]",
            ["broken.yaml: domains: leaves out", "figure_2, figure_3a", "those that it can draw: figure_9."],
        ),
        ("plan: {job: {gpus: 1}}", ["apple_retrieval", "CPUs only", "use a GPU: none."]),
        ("figure: {names: [figure_1]}", ["broken.yaml", "figure.names", "figure_10"]),
        ("figure: {names: [figure_22]}", ["broken.yaml", "robotic_sequence_shift_", "variant"]),
        (
            "experiments: {robotic_sequence: {environment: {pretrained_stages: [9]}}}",
            ["broken.yaml", "robotic_sequence.environment", "[9]"],
        ),
        (
            "methods: {behavioral_cloning: {nethack: {batch_size: 100}}}",
            ["broken.yaml", "behavioral_cloning.nethack.batch_size", "rollout (32)", "Nearest: 96"],
        ),
        (
            "methods: {ewc: {nethack: {fisher_batches: null, coefficient_batch: null}}}",
            ["broken.yaml", "ewc.nethack.fisher_batches", "give a number"],
        ),
        (
            "methods: {episodic_memory: {nethack: {memory_size: 5}}}",
            ["broken.yaml", "replay_buffer", "appo", "kickstarting"],
        ),
        (
            "experiments: {nethack: {collect: {recipe: stored}, finetune: {appo: {train: all}}}}",
            ["broken.yaml", "experiments.nethack", "streamed", "train: core"],
        ),
        (
            "experiments: {nethack: {network: {crop_size: 8}}}",
            ["broken.yaml", "nethack.network", "must be odd"],
        ),
        ('report: {title: "\\ud800"}', ["broken.yaml: report.title", "half of a character"]),
        ("figure: {resamples: many}", ["broken.yaml", "figure.resamples", "'many'"]),
        ("experiments: {all: {extends: robotic_sequence}}", ["broken.yaml", "experiments.all", "taken"]),
        (
            "experiments: {robotic_sequence: {environment: {stages: [hamer, push-wall]}}}",
            ["broken.yaml", "robotic_sequence.environment.stages", "Did you mean 'hammer'?"],
        ),
        (
            "methods: {episodic_memory: {robotic_sequence: {memory_size: 20000}}}",
            ["broken.yaml", "methods.episodic_memory.robotic_sequence.memory_size", "10000"],
        ),
        ("experiments: [", ["broken.yaml", "cannot be read"]),
    ],
)
def test_message_names_file_key_and_mend(project: Path, text: str, parts: list[str]) -> None:
    overlay(project, text)
    found = message()
    for part in parts:
        assert part in found, found
    assert not (project / "results").exists()


def test_a_scale_has_the_name_of_its_file(project: Path) -> None:
    (project / "configs" / "broken.yaml").write_text("scale: other\n", encoding="utf-8")
    assert "it must equal the file's name, 'broken'" in message()


def test_names_of_tasks_are_those_of_meta_world() -> None:
    from metaworld.env_dict import ALL_V3_ENVIRONMENTS

    assert set(TASKS) == {name.removesuffix("-v3") for name in ALL_V3_ENVIRONMENTS}


def test_unknown_scale_lists_those_there_are(project: Path) -> None:
    assert (project / "configs").is_dir()
    found = message("laptob")
    assert "Did you mean 'laptop'?" in found
    assert "paper" in found


def test_equal_budgets_or_a_reason(project: Path) -> None:
    overlay(
        project,
        "experiments: {robotic_sequence: {unequal_budget: EWC converges later}}\n"
        "methods: {ewc: {robotic_sequence: {steps: 5}}}",
    )
    configuration = load("broken")
    assert configuration.options("robotic_sequence", "ewc").steps == 5


def test_overlay_changes_only_what_it_names(project: Path) -> None:
    overlay(project, "experiments: {robotic_sequence: {seeds: 3}}")
    base, changed = load("paper"), load("broken")
    assert changed.experiments["robotic_sequence"].seeds == 3
    assert changed.experiments["robotic_sequence_two_stages"].seeds == 3  # it extends the first
    assert changed.section_digest("finetune", "robotic_sequence", "ewc") == base.section_digest(
        "finetune", "robotic_sequence", "ewc"
    )


def test_a_method_option_touches_only_that_method(project: Path) -> None:
    overlay(project, "methods: {ewc: {robotic_sequence: {coefficient: 7.0}}}")
    base, changed = load("paper"), load("broken")

    def digest(configuration, method: str) -> str:
        return configuration.section_digest("finetune", "robotic_sequence", method)

    assert digest(base, "ewc") != digest(changed, "ewc")
    assert digest(base, "behavioral_cloning") == digest(changed, "behavioral_cloning")


def test_every_value_of_the_paper_has_its_source() -> None:
    text = (Path(__file__).parents[2] / "configs" / "paper.yaml").read_text(encoding="utf-8")
    marks = re.compile(r"# \[(text|code|base|\?|ours)\]")
    for number, line in enumerate(text.splitlines(), 1):
        key, _, rest = line.partition(":")
        value = rest.split("#")[0].strip()
        if key.strip().startswith("#") or not value or value[0] in "&*":
            continue
        assert marks.search(line), f"configs/paper.yaml:{number} gives no source: {line.strip()}"


def test_a_long_name_is_an_unknown_one(project: Path) -> None:
    with pytest.raises(ConfigError, match="unknown scale"):
        load("x" * 5000)


@pytest.mark.parametrize("place", ["results", "results/tiny"])
def test_results_that_are_away_are_not_taken_for_none(project: Path, place: str) -> None:
    folder = project / place
    folder.parent.mkdir(exist_ok=True)
    folder.symlink_to("/nowhere")
    with pytest.raises(ConfigError, match=f"^{place} is a link to /nowhere, which is not there; mount"):
        load("tiny")
    folder.unlink()
    folder.write_text("", encoding="utf-8")
    with pytest.raises(ConfigError, match=f"^{place} is a file, where a folder belongs; move it away"):
        load("tiny")
