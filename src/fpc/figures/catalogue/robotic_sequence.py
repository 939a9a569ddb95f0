"""Figures of RoboticSequence."""

from __future__ import annotations

from fpc.figures.entry import Entry, SuccessCurves
from fpc.figures.variants import Variants

_SIZES = Variants(r"_width_(\d+)_depth_(\d+)$", "width {}, depth {}")

FIGURES = (
    SuccessCurves(
        name="figure_2",
        title="Success on each stage of a two-stage RoboticSequence",
        caption="Close and Far success during fine-tuning, and when half of the seeds had first been at Far.",
        experiments=("robotic_sequence_two_stages",),
        tables=("episodes", "training"),
        methods=("vanilla", "behavioral_cloning"),
        probes="stages",
        panels="one",
        first_visits=True,
    ),
    SuccessCurves(
        name="figure_3c",
        title="Success on the whole RoboticSequence",
        caption="Success on all stages in a row during fine-tuning.",
        experiments=("robotic_sequence",),
        probes="whole",
        panels="one",
    ),
    SuccessCurves(
        name="figure_7",
        title="Success on each stage of RoboticSequence",
        caption="Success on each stage by itself during fine-tuning; π* knows the Far stages. "
        "Triangles: half of the seeds had been there for the first time.",
        experiments=("robotic_sequence",),
        tables=("episodes", "training"),
        probes="stages",
        pi_star=True,
        first_visits=True,
    ),
    Entry(
        name="figure_8",
        title="Vanilla fine-tuning on the last stage",
        caption="How vanilla fine-tuning loses the last stage, and what becomes of π*'s actions there: "
        "states of one seed, coloured by their log-likelihood, whose mean over all seeds stands above.",
        experiments=("robotic_sequence",),
        methods=("vanilla",),
        tables=("episodes", "states"),
    ),
    Entry(
        name="figure_20",
        title="Similarity of each layer to its state before fine-tuning (vanilla)",
        caption="Linear CKA of each layer with the same layer of π*, mean over stages.",
        experiments=("robotic_sequence",),
        methods=("vanilla",),
        tables=("representation",),
    ),
    SuccessCurves(
        name="figure_21",
        title="RoboticSequence with the last layers reset before fine-tuning",
        caption="Success with the last layers reset before fine-tuning.",
        experiments=("robotic_sequence_reset_heads",),
        methods=("scratch", "vanilla", "ewc", "behavioral_cloning"),
    ),
    SuccessCurves(
        name="figure_22",
        title="Known stages first shown with observations shifted by c (vanilla)",
        caption="Success of vanilla by the shift c. In the paper nothing is forgotten at 0.01, part at 0.1, "
        "and all at 1 and 10.",
        experiments=("robotic_sequence_shift_*",),
        methods=("vanilla",),
        colours="variant",
        variants=Variants(r"_shift_([\d.]+)$", "c = {}"),
    ),
    SuccessCurves(
        name="figure_23",
        title="Known stages in the middle of RoboticSequence",
        caption="Success with new stages before and after the known ones.",
        experiments=("robotic_sequence_known_middle",),
        pi_star=True,
    ),
    SuccessCurves(
        name="figure_24",
        title="Known stages first in RoboticSequence",
        caption="Success with the known stages first, so that there is no gap.",
        experiments=("robotic_sequence_known_first",),
        pi_star=True,
    ),
    SuccessCurves(
        name="figure_25",
        title="Another RoboticSequence: shelf-place, push-back, window-close, door-close",
        caption="Success on each stage of another sequence.",
        experiments=("robotic_sequence_other",),
        pi_star=True,
    ),
    SuccessCurves(
        name="figure_26",
        title="Behavioural cloning with a smaller memory of π*'s states",
        caption="Success of behavioural cloning for several sizes of its memory.",
        experiments=("robotic_sequence_memory_*",),
        methods=("behavioral_cloning",),
        colours="variant",
        variants=Variants(r"_memory_(\d+)$", "{} states"),
    ),
    SuccessCurves(
        name="figure_27",
        title="Success on RoboticSequence for networks of other widths and depths",
        caption="Success on the whole sequence, a panel a size.",
        experiments=("robotic_sequence_width_*_depth_*",),
        methods=("scratch", "vanilla", "ewc", "behavioral_cloning"),
        probes="whole",
        panels="variant",
        columns=3,
        variants=_SIZES,
    ),
    Entry(
        name="film_7",
        title="The robot in the first Far stage of RoboticSequence",
        caption="Behind figure 7: π*, and vanilla and BC when vanilla has lost the first Far stage without "
        "having visited it; all from the same start state.",
        experiments=("robotic_sequence",),
        methods=("vanilla", "behavioral_cloning"),
        tables=("episodes", "training"),
        recorded=("attempts",),
        derived=("frames",),
    ),
    Entry(
        name="table_6",
        title="Forward transfer on a known stage after a prefix of new stages",
        caption="Forward transfer on a known stage after prefixes of increasing length.",
        experiments=("robotic_sequence_prefix_*",),
        methods=("scratch", "vanilla", "ewc", "behavioral_cloning"),
    ),
)
