"""What `fpc try` accepts, such as terms that begin late or at a distance, and what it does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.workflow.broken_methods import (
    ANCHORS,
    KICKSTARTING,
    L2,
    RESTORED,
    STATE,
    TERM,
    message_about,
    replaced,
    with_factor,
    with_term,
)

from fpc.workflow.trying.trial import Asked, plan_text, prepare

DISTANCE = TERM.strip().removesuffix(" * coefficient")
NEEDS = "needs: ClassVar[frozenset[Need]] = frozenset({Need.TEACHER, Need.ONLINE_OBSERVATIONS})\n"
FIELD = 'coefficient: NonNegativeFloat = Field(description="Weight of the squared distance.")\n'
COLOUR = 'colour: ClassVar[str] = "#56B4E9"\n'
NO_TERM = f"{COLOUR}    adds_term: ClassVar[bool] = False\n"
ROOT_OF_KL = replaced(KICKSTARTING, (".mean(-1)\n", ".mean(-1).clamp(min=0).sqrt()\n"))
CONSTANT = with_term("return batch.outputs.new_full(batch.outputs.shape[:-2], 3.0)")
LATER = "if batch.update < 1000:\n    return None\n"
IN_PREPARE = f"        {ANCHORS}"


def with_buffer(then: str) -> str:
    """L2 that would use a replay buffer if there were one."""
    buffer = "context.replay_buffer"
    lines = f"        if {buffer} is not None:\n            self.buffer = {buffer}\n{then}"
    return replaced(L2, (IN_PREPARE, f"{lines}{IN_PREPARE}"))


SOUND = {
    "hinge": with_term(f"return ({DISTANCE} - 50).clamp(min=0) * coefficient"),
    "begins_late": with_factor("min(1.0, max(0.0, (batch.update - 100) / 100))"),
    "now_and_then": with_term(f"if batch.update % 4:\n    return None\nreturn {TERM}"),
    "begins_much_later": with_term(f"{LATER}return {TERM}"),
    "start_and_end": replaced(
        with_factor("min(1.0, max(0.0, (batch.update - start) / (self.options.end - start)))"),
        (
            FIELD,
            f"{FIELD}    start: NonNegativeInt = Field(default=100, description='First update.')\n"
            "    end: NonNegativeInt = Field(default=500, description='Update of the full weight.')\n",
        ),
        ("NonNegativeFloat\n", "NonNegativeFloat, NonNegativeInt\n"),
        ("        coefficient: float", "        start = self.options.start\n        coefficient: float"),
    ),
    "placeholder": replaced(
        L2,
        (ANCHORS, f"{ANCHORS}        self.more = {{'unset': self.anchors[..., 0] * float('nan')}}\n"),
        (STATE, '        return {"anchors": self.anchors, **self.more}\n'),
        (RESTORED, f'{RESTORED}        self.more = {{"unset": state["unset"]}}\n'),
        ("    anchors: Tensor\n", "    anchors: Tensor\n    more: dict[str, Tensor]\n"),
    ),
    "other_order": replaced(
        L2,
        (
            ANCHORS,
            f"{ANCHORS}        self.kept = {{'anchors': self.anchors, 'n': self.anchors[..., 0] * 1}}\n",
        ),
        (STATE, "        return dict(self.kept)\n"),
        (
            RESTORED,
            f"{RESTORED}        self.kept = {{name: state[name] for name in sorted(state, reverse=True)}}\n",
        ),
    ),
    "root_from_scratch": replaced(ROOT_OF_KL, (NEEDS, f"{NEEDS}    pretrained: ClassVar[bool] = False\n")),
    "optional_buffer": with_buffer(""),
    "last_student": with_term(
        f"term = {TERM}self.anchors = self._flat_parameters(batch.student).detach().clone()\nreturn term"
    ),
}


@pytest.mark.parametrize("name", [*SOUND, "no_weight"])
def test_a_method_that_breaks_no_promise(project: Path, name: str) -> None:
    path = project.parent / f"{name}.py"
    path.write_text(SOUND.get(name, L2), encoding="utf-8")
    option = "coefficient=0" if name == "no_weight" else "coefficient=0.1"
    found = prepare(Asked(path, (option,), ("apple_retrieval",), "laptop", None, None))
    assert found.checked == ["side by side"]


WRONG = {
    "root_at_pi_star": (
        ROOT_OF_KL,
        "penalty has a gradient that is not finite at update 0, where its value is 0",
        "at first the student is pi*: keep roots",
    ),
    "detached_late": (
        with_term(f"{LATER}return {TERM.rstrip().replace(' - self', '.detach() - self')}"),
        "penalty has no gradient",
        "compute it from batch.outputs or the student's parameters",
    ),
    "detached_at_a_distance": (
        with_term(
            f"import torch\n\ndistance = {DISTANCE}\n"
            "return torch.where(distance > 1, distance.detach(), 0 * distance) * coefficient"
        ),
        "penalty has another gradient than its value",
        "a part of the term that depends on the student is detached",
    ),
    "steps": (
        with_term(f"return ({DISTANCE}).round() * coefficient"),
        "penalty has a gradient of zero everywhere, although its value changes with the student",
        "comparisons, argmax and rounding have no gradient",
    ),
    "one_run": (
        with_term(
            f"term = {TERM}if self.run_dimensions:\n"
            "    term = term * term.new_tensor([1.0, 0.0, 1.0])\nreturn term"
        ),
        "penalty has no gradient for run 1 at any update that was tried, but one for run 0",
        "compute each run's value from that run's parameters",
    ),
    "term_after_all": (
        replaced(with_term(f"{LATER}return {TERM}"), (COLOUR, NO_TERM)),
        "penalty returns a term at update 1000, but adds_term is False",
        "set adds_term = True",
    ),
    "never_a_term": (
        with_term("return None"),
        "penalty returns None at every update that was tried (0 to 149 and late ones up to 10000000), but",
        "or set adds_term = False if it never does",
    ),
    "hidden_state_late": (
        with_term(
            f"if batch.update < 1000:\n    return {TERM}self.seen = getattr(self, 'seen', 0) + 1\n"
            f"return {TERM.rstrip()} * self.seen"
        ),
        "penalty changes hidden state: a batch gave",
        "keep whatever changes between updates in state_dict",
    ),
    "draws_late": (
        with_term(
            f"import torch\n\n{LATER}return {TERM.rstrip()} * torch.rand(())",
        ),
        "penalty changes a global random generator",
        "draw from context.generator alone",
    ),
    "layer_of_float32": (
        with_term(
            f"import torch\n\nlayer = torch.nn.Linear(1, 1)\nreturn {TERM.rstrip()} + 0 * "
            "layer(batch.outputs[..., :1]).sum()"
        ),
        "penalty fails with RuntimeError: ",
        "give your own tensors and layers the policy's type and device",
    ),
    "outputs_of_teacher": (
        with_term(
            "if not hasattr(batch.student, 'unroll'):\n"
            f"    return {TERM}return {TERM.rstrip()} + 0 * batch.teacher_outputs.sum()",
            (COLOUR, f"{COLOUR}    {NEEDS.replace(', Need.ONLINE_OBSERVATIONS', '')}"),
            ("    MethodOptions,\n", "    MethodOptions,\n    Need,\n"),
        ),
        "needs does not declare Need.ONLINE_OBSERVATIONS, so batch.teacher_outputs is None, but",
        "add Need.ONLINE_OBSERVATIONS to needs",
    ),
    "optional_buffer_and_a_slip": (
        with_buffer("        self.weight = wieght\n"),
        "prepare fails with NameError: name 'wieght' is not defined",
        "correct this line",
    ),
    "prepare_draws": (
        replaced(L2, (IN_PREPARE, f"        import torch\n\n        torch.rand(3)\n{IN_PREPARE}")),
        "prepare changes a global random generator",
        "draw from context.generator alone",
    ),
    "prepare_runs_backward": (
        replaced(
            L2, (IN_PREPARE, f"{IN_PREPARE}        self._flat_parameters(context.student).sum().backward()\n")
        ),
        "prepare changes a parameter's .grad",
        "use torch.autograd.grad instead of backward()",
    ),
    "exits_in_penalty": (
        with_term("raise SystemExit(3)"),
        "penalty fails with SystemExit: 3",
        "correct this line",
    ),
    "exits_in_prepare": (
        replaced(L2, (IN_PREPARE, f"        raise SystemExit\n{IN_PREPARE}")),
        "prepare fails with SystemExit",
        "correct this line",
    ),
    "fails_at_once": (
        replaced(
            L2,
            (
                "    run_dimensions: int\n",
                "    run_dimensions: int\n\n    def __init__(self, options: L2Options) -> None:\n"
                "        self.options = option\n",
            ),
        ),
        "__init__ fails with NameError: name 'option' is not defined",
        "correct this line",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_broken_promise_is_found_and_named_rightly(project: Path, name: str) -> None:
    text, problem, remedy = WRONG[name]
    domains = () if name == "outputs_of_teacher" else ("apple_retrieval",)
    message = message_about(project, name, text, domains)
    assert problem in message
    assert remedy in message


@pytest.mark.parametrize(
    ("name", "text", "coefficient", "is_idle"),
    [("pulls", L2, "0.1", False), ("weightless", L2, "0", True), ("constant", CONSTANT, "1", True)],
)
def test_a_term_that_never_pulls_is_named_with_the_plan(
    project: Path, name: str, text: str, coefficient: str, is_idle: bool
) -> None:
    path = project.parent / f"{name}.py"
    path.write_text(text, encoding="utf-8")
    trial = prepare(Asked(path, (f"coefficient={coefficient}",), ("apple_retrieval",), "laptop", None, None))
    assert list(trial.idle) == (["apple_retrieval"] if is_idle else [])
    assert ("as configured for apple_retrieval: it may change nothing" in plan_text(trial, [])) == is_idle


def test_a_method_that_refuses_its_own_options_is_not_asked_with_them(project: Path) -> None:
    """The checks lower counts; with the count that was given, the small student may be too small."""
    limited = replaced(
        L2,
        (FIELD, f"{FIELD}    states: PositiveInt = Field(default=1000, description='Number of states.')\n"),
        ("NonNegativeFloat\n", "NonNegativeFloat, PositiveInt\n"),
        (
            IN_PREPARE,
            "        if self.options.states > 100:\n            raise ValueError('too few states')\n"
            f"{IN_PREPARE}",
        ),
    )
    path = project.parent / "limited.py"
    path.write_text(limited, encoding="utf-8")
    trial = prepare(Asked(path, ("coefficient=0.1",), ("apple_retrieval",), "laptop", None, None))
    assert not trial.idle


def test_outputs_that_a_learner_does_not_compute_have_their_own_remedy(project: Path) -> None:
    text = replaced(
        KICKSTARTING,
        (
            "        teacher_outputs = batch.teacher_outputs\n",
            "        teacher_outputs = batch.teacher_outputs.detach()\n",
        ),
    )
    message = message_about(project, "careless", text, ("apple_retrieval",))
    assert "batch.teacher_outputs is None where the learner does not compute them" in message
    assert "src/fpc/retention/kickstarting.py" in message
