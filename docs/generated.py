"""Writes the parts of the documentation that are made from the code: `python docs/generated.py`.

These are the page of the command line, the table of values that no source gives, and that of licences.
"""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import click
from packaging.utils import canonicalize_name
from typer.main import get_command
from typer.testing import CliRunner

from fpc.cli.main import app

ROOT = Path(__file__).resolve().parents[1]
COMMAND_LINE = ROOT / "docs" / "reference" / "command_line.md"
DEVIATIONS = ROOT / "docs" / "explanation" / "deviations.md"
LICENCES = ROOT / "docs" / "reference" / "licences.md"
LOCK = ROOT / "requirements.lock"
CONFIGURATION = ROOT / "configs" / "paper.yaml"
BEGIN, END = "<!-- made by docs/generated.py -->", "<!-- end -->"
INTRODUCTION = """# Command line

`fpc` is on PATH after `source .venv/bin/activate`; give commands at the root of the checkout. This page is
the program's own help, written by `docs/generated.py`.

Exit codes: 0 done, 1 a run cannot be done (or the audit found something), 2 wrong use or configuration,
3 `fpc audit verify` misses files. Each with one message that says what would be right.
`fpc --install-completion` makes Tab complete scales and variants.

The whole chain is Snakemake's: `snakemake --cores 2 [TARGET ...] --config scale=NAME [variant=NAME]`.
"""


def verbs() -> list[list[str]]:
    """Words of every command, groups before their commands; the first is ``fpc`` itself."""
    found: list[list[str]] = [[]]
    command = get_command(app)
    for name, inner in getattr(command, "commands", {}).items():
        found.append([name])
        found += [[name, word] for word in getattr(inner, "commands", {})]
    return found


def help_of(words: list[str]) -> str:
    """Help of one command, 80 columns wide."""
    result = CliRunner().invoke(app, [*words, "--help"], prog_name="fpc", env={"COLUMNS": "80"}, color=False)
    lines = click.unstyle(result.output).rstrip().splitlines()
    return "\n".join(line.rstrip() for line in lines)


def command_line() -> str:
    """The page of the command line."""
    parts = [INTRODUCTION]
    for words in verbs():
        parts.append(f"## {' '.join(['fpc', *words])}\n\n```text\n{help_of(words)}\n```\n")
    return "\n".join(parts)


def unknown_values() -> list[tuple[str, str, str]]:
    """(key, value, reason) of every value in ``paper.yaml`` marked ``[?]``."""
    found = []
    path: list[tuple[int, str]] = []
    for line in CONFIGURATION.read_text(encoding="utf-8").splitlines():
        # An item of a list stands for itself: its key is the list's.
        line = re.sub(r"^( *)- (\{.*\})", r"\1item: \2", line)
        match = re.match(r"^( *)([^\s#:][^:]*):(.*)$", line)
        if match is None:
            continue
        indent, key, rest = len(match[1]), match[2], match[3]
        path = [*((depth, name) for depth, name in path if depth < indent), (indent, key)]
        value, _, comment = rest.partition(" #")
        if comment.strip().startswith("[?]"):
            dotted = ".".join(name for _, name in path)
            found.append((dotted, value.strip(), comment.strip().removeprefix("[?]").strip()))
    return found


def deviations() -> str:
    """The page of deviations with its table of unknown values as the configuration has them now."""
    rows = [
        f"| `{key.removesuffix('.item')}` | `{value}` | {reason.replace('|', '&#124;')} |"
        for key, value, reason in unknown_values()
    ]
    return with_table(DEVIATIONS, ["| key | ours | why |", "|---|---|---|", *rows])


def with_table(page: Path, table: list[str]) -> str:
    """A page with these lines between its marks."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    lines = "\n".join(table)
    return f"{before}{BEGIN}\n\n{lines}\n\n{END}{rest.partition(END)[2]}"


def licences() -> str:
    """The page of licences with what the locked packages state, as they are installed."""
    sbom = runpy.run_path(str(ROOT / "tools" / "sbom.py"))
    stated = {canonicalize_name(name): text for name, text in sbom["licences"](sbom["bill"]()).items()}
    locked = re.findall(r"^([a-z0-9-]+)==([^ ;]+)", LOCK.read_text(encoding="utf-8"), re.MULTILINE)
    rows = [f"| {name} | {version} | {stated.get(name, 'not installed')} |" for name, version in locked]
    return with_table(LICENCES, ["| package | version | licence |", "|---|---|---|", *rows])


def pages() -> dict[Path, str]:
    """Path and content of each page that this program writes."""
    return {COMMAND_LINE: command_line(), DEVIATIONS: deviations(), LICENCES: licences()}


if __name__ == "__main__":
    for page, text in pages().items():
        page.write_text(text, encoding="utf-8")
        print(page.relative_to(ROOT))
