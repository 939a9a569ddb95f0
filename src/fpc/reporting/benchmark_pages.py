"""The benchmark's tables as plain text and as Markdown."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from fpc.core.numbers import number
from fpc.core.statistics import Estimate
from fpc.reporting.benchmark import NAMED, NEVER, NOT_TESTED, Absent, Comparison, DomainTable, Line
from fpc.reporting.findings import sentence
from fpc.reporting.markdown import text_of

NOTHING = "-"
HEADS = (
    "method",
    "seeds",
    "score",
    "minus vanilla",
    "minus {opponent}",
    "Far kept",
    "solved at",
    "min/run",
)
INTRODUCTION = """# Benchmark

<!-- made by docs/generated.py: make the results again, or add a variant that brings a method -->

How methods against forgetting compare at scale `{scale}`, by domain: the score at the end of training, how
much of Far is kept, when the whole task is solved, and what a run costs.

- **score**: one number per run; here the interquartile mean over seeds with its {level:.0%} bootstrap
  interval.
- **minus vanilla**, **minus the best other**: the difference of two scores. *Better* means that the interval
  lies above 0 and that a one-sided t-test agrees, with p adjusted by Holm's procedure for the methods of the
  table; *not better* that the interval does not reach above 0; *undecided* neither. *Worse* than vanilla is
  *better* with the sides exchanged, and both sides count in Holm's procedure. Nothing is called worse than
  the best other, which is the best partly by chance. As p is one-sided, it differs in the two rows of a pair.
  With fewer than {minimum} seeds there is an interval and no test: *not tested*. The best other has the
  highest score among the methods with that many seeds, if there are any. It is the rule of the claims, see
  [Statistics](explanation/statistics.md#verdicts-about-claims). `fpc benchmark --against ewc` compares all
  methods with one that you name, both sides counting.
- **Far kept**: share of what π\\* can do on Far that is still there; 1 is all of it.
- **solved at**: the first step at which the mean over seeds reaches the domain's threshold.
- **min/run**: minutes of fine-tuning per run, from its manifest; a run may have several seeds, and machines
  differ.

Only current results are used: those that the configuration would make now, from inputs that are current. The
others are counted below each table, and `fpc status --scale {scale}` lists them. The same numbers, one row
per method, domain and metric, are in [benchmark.csv](benchmark.csv).
"""
NEWCOMERS = """## Do they beat BC or EWC?

The methods that variants bring, against two of the paper's. Both sides count in Holm's procedure, among all
methods of the domain."""
ADDING = """## Add a row

`fpc try path/to/method.py` runs a method of your own as a variant, and prints its row beside the others';
[Add a method](how-to/add-a-method.md) says what the file contains. Do it at scale `{scale}`, then

```sh
fpc config stages --scale {scale} --variant <variant>
fpc record --scale {scale} --variant <variant>
dvc push
python docs/generated.py
```

and commit the variant's file in `configs/variants/`, the method, `results/{scale}+<variant>/`, `weights/`,
`docs/`, `dvc.yaml` and `dvc.lock`. This page lists every variant that brings a method and leaves the rest of
its experiment as it is.

## Cite

`CITATION.cff` in the repository names this software and the paper that it reproduces; cite both, and the
commit whose numbers you use.
"""


def table_text(tables: Sequence[DomainTable]) -> str:
    """The tables for a terminal, each with what is measured, and what is not and why."""
    return "\n\n".join("\n".join(_text_lines(table)) for table in tables)


def _text_lines(table: DomainTable) -> Iterable[str]:
    yield f"{sentence(table.title)}: {table.benchmark.score}"
    rows = [_heads(table), *(_cells(line, table.against) for line in table.lines)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    yield from (f"{name}: {words}" for name, words in _explained(table))
    yield from _remarks(table)


def benchmark_page(tables: Sequence[DomainTable], scale: str) -> str:
    """The page of the benchmark.

    Args:
        tables: of all domains, at least one.
        scale: whose results they are.
    """
    first = tables[0]
    blocks = [INTRODUCTION.format(scale=scale, level=first.level, minimum=first.minimum_seeds).rstrip()]
    for table in tables:
        blocks += _markdown_blocks(table)
    blocks += _newcomers(tables)
    return "\n\n".join([*blocks, ADDING.format(scale=scale)])


def _newcomers(tables: Sequence[DomainTable]) -> Iterable[str]:
    """What a variant's method does against the paper's, if there is one."""
    rows = [
        (sentence(table.title), line.entrant.name, *(_against(line, name) for name in NAMED))
        for table in tables
        for line in table.lines
        if line.named
    ]
    if rows:
        heads = ("domain", "method", *(f"minus {name}" for name in NAMED))
        yield NEWCOMERS
        yield _markdown_table([heads, ("---",) * len(heads), *rows])


def _against(line: Line, opponent: str) -> str:
    return _difference(next((one for one in line.named if one.other == opponent), None))


def _markdown_table(rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(map(text_of, row))} |" for row in rows)


def _markdown_blocks(table: DomainTable) -> Iterable[str]:
    yield f"## {sentence(table.title)}"
    words = [
        f"{sentence(name)}: {what}." for name, what in (("score", table.benchmark.score), *_explained(table))
    ]
    yield text_of(f"{' '.join(words)} {_seeds_words(table)}")
    lines = [_cells(line, table.against) for line in table.lines]
    yield _markdown_table([_heads(table), ("---",) * len(HEADS), *lines])
    if remarks := [f"- {text_of(sentence(remark))}" for remark in _remarks(table)]:
        yield "\n".join(remarks)


def _heads(table: DomainTable) -> tuple[str, ...]:
    return tuple(head.format(opponent=table.opponent) for head in HEADS)


def _explained(table: DomainTable) -> list[tuple[str, str]]:
    return [("Far kept", table.benchmark.kept), ("solved", table.benchmark.solved)]


def _seeds_words(table: DomainTable) -> str:
    """How many seeds a method has, in words."""
    asked = sorted({line.entrant.seeds for line in table.lines})
    counts = sorted({line.seeds for line in table.lines})
    return f"Seeds per method: {_range(counts)} current of {_range(asked)}."


def _range(counts: Sequence[int]) -> str:
    return f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"


def _cells(line: Line, against: str | None) -> tuple[str, ...]:
    seeds, asked = line.seeds, line.entrant.seeds
    return (
        line.entrant.name,
        f"{seeds}" if seeds == asked else f"{seeds} of {asked}",
        "not current" if line.score is None and line.entrant.absent else estimate_text(line.score),
        _difference(line.vanilla),
        _difference(line.other, named=against is None),
        estimate_text(line.far_kept),
        _solved(line),
        NOTHING if line.seconds is None else number(line.seconds / 60),
    )


def estimate_text(found: Estimate | None) -> str:
    """A number with its interval, if it has one."""
    if found is None:
        return NOTHING
    interval = f" [{number(found.low)}, {number(found.high)}]" if math.isfinite(found.low) else ""
    return f"{number(found.value)}{interval}"


def _difference(found: Comparison | None, named: bool = False) -> str:
    if found is None:
        return NOTHING
    value = "" if found.estimate is None else f"{estimate_text(found.estimate)} "
    p_value = "" if found.p_value is None else f", p = {found.p_value:.2g}"
    return f"{value}{found.words}{p_value}{f' ({found.other})' if named else ''}"


def _solved(line: Line) -> str:
    if line.solved_at is None:
        return NOTHING
    return "never" if line.solved_at == NEVER else f"{line.solved_at:,.0f}"


def _remarks(table: DomainTable) -> Iterable[str]:
    """Runs that are not current, why cells are empty and differences not tested, and what is left out."""
    yield from _absent_remarks(table)
    reasons: dict[tuple[str, str], dict[str, None]] = {}  # names without repetitions, in order
    for line in table.lines:
        for what, reason in _reasons(line):
            reasons.setdefault((what, reason), {})[line.entrant.name] = None
    for (what, reason), names in reasons.items():
        yield f"{what}, {', '.join(names)}: {reason}"
    yield from table.notes


def _reasons(line: Line) -> Iterable[tuple[str, str]]:
    """What a line lacks, and why; that none of its runs is current is said elsewhere."""
    if line.score is not None or not line.entrant.absent:
        yield from line.reasons.items()
    for comparison in (line.vanilla, line.other):
        if comparison is not None and comparison.words == NOT_TESTED:
            yield NOT_TESTED, comparison.reason


def _absent_remarks(table: DomainTable) -> Iterable[str]:
    """Per verdict: the methods with their number of seeds that are not used, and a reason."""
    groups: dict[str, list[tuple[str, Absent]]] = {}
    for line in table.lines:
        for run in line.entrant.absent:
            groups.setdefault(run.verdict, []).append((line.entrant.name, run))
    for verdict, runs in groups.items():
        seeds: Counter[str] = Counter()
        for name, run in runs:
            seeds[name] += run.seeds
        listed = ", ".join(f"{name} {count}" for name, count in seeds.items())
        reason = runs[0][1].reason.partition(": ")[0]
        yield f"not current, {verdict} (seeds): {listed}" + (f"; {reason}" if reason else "")
