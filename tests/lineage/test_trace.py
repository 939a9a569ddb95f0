"""Ancestry as text, JSON and image; copies of figures; and how two artifacts differ."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from fpc.cli.main import app
from fpc.core.errors import ConfigError, UserError
from fpc.core.files import sha256_of
from fpc.figures.embedded import content_digest, read_source
from fpc.lineage import manifest as manifests
from fpc.lineage.ancestry import ancestry, manifest_of
from fpc.lineage.artifact import Row
from fpc.lineage.manifest import read
from fpc.lineage.origin import Code
from fpc.lineage.trace import draw
from fpc.workflow.loader import load
from fpc.workflow.phases.finetune import finetune

from .conftest import CHAIN, COLLECT, EVALUATE, FIGURE, FINETUNE, PRETRAIN, findings, rewrite

pytestmark = pytest.mark.usefixtures("chain")
SVG = FIGURE.folder / "figure_9.svg"


def audit(*words: str) -> Result:
    return CliRunner().invoke(app, ["audit", *words])


def test_ancestry_goes_from_the_figure_to_pi_star() -> None:
    found = ancestry(FIGURE.manifest)
    assert next(iter(found)) == FIGURE.manifest
    assert set(found) == {row.manifest for row in CHAIN}
    assert set(found[EVALUATE.manifest].parents) == {FINETUNE.manifest, PRETRAIN.manifest, COLLECT.manifest}


def test_the_tree_names_seed_and_digests_and_shows_each_artifact_in_full_once() -> None:
    text = audit("trace", str(SVG)).output
    lines = text.splitlines()
    assert lines[0].startswith("figure figure_9  verified  manifest ")
    assert sum("pretrain two_state_mdp seed 0  verified  manifest" in line for line in lines) == 1
    assert sum("pretrain two_state_mdp seed 0  (above)" in line for line in lines) >= 1
    (line,) = (line for line in lines if "finetune two_state_mdp vanilla seed 0  verified  manifest" in line)
    assert read(FINETUNE.manifest).section_digest[:12] in line


def test_the_tree_names_the_commit() -> None:
    code = read(FINETUNE.manifest).details["builder"]["code"]
    if "commit" not in code:
        pytest.skip("git trusts this checkout of another user no further")
    text = audit("trace", str(SVG)).output
    (line,) = (
        found for found in text.splitlines() if "finetune two_state_mdp vanilla seed 0  verified" in found
    )
    assert f"commit {code['commit'][:12]}" in line


def test_json_has_digests_times_and_parents() -> None:
    told = json.loads(audit("trace", str(SVG), "--json").output)
    assert (told["file"], told["says"], told["match"]) == (str(SVG), None, None)
    found = {item["artifact"]: item for item in told["ancestry"]}
    assert {item["verdict"] for item in found.values()} == {"verified"}
    assert set(found) == {row.manifest.as_posix() for row in CHAIN}
    child = found[COLLECT.manifest.as_posix()]
    assert child["parents"] == {PRETRAIN.manifest.as_posix(): found[PRETRAIN.manifest.as_posix()]["sha256"]}
    assert child["seconds"] >= 0
    assert child["finishedOn"] > child["startedOn"]


def test_an_external_input_is_an_ancestor() -> None:
    statement = json.loads(PRETRAIN.manifest.read_text("utf-8"))
    address, digest = "https://example.org/games.zip", "ab" * 32
    built = manifests.build(
        run=statement["predicate"]["buildDefinition"]["externalParameters"]["run"],
        section={}, subjects=[], parents={COLLECT.manifest: sha256_of(COLLECT.manifest)},
        externals={address: digest}, history={"startedOn": "", "finishedOn": ""}, code=Code(),
    )  # fmt: skip
    PRETRAIN.manifest.write_text(json.dumps(built), encoding="utf-8")
    manifest = read(PRETRAIN.manifest)
    assert manifest.externals == {address: digest}
    assert set(manifest.parents) == {COLLECT.manifest.as_posix()}
    assert f"external {address}  sha256 {digest[:12]}" in audit("trace", str(PRETRAIN.folder)).output
    draw(ancestry(PRETRAIN.manifest), Path("out.dot"))
    assert "external\\ngames.zip" in Path("out.dot").read_text("utf-8")


def test_pictures() -> None:
    for name in ("out.svg", "out.png", "out.dot"):
        assert audit("trace", str(SVG), "--picture", name).exit_code == 0
    words = "".join(ElementTree.parse("out.svg").getroot().itertext())
    assert "figure_9" in words or "<!-- figure_9" in Path("out.svg").read_text("utf-8")
    assert Image.open("out.png").width > 800
    dot = Path("out.dot").read_text("utf-8")
    assert dot.count("->") == 1 + 1 + 3 + 2  # figure, collect, evaluate, finetune
    finished = audit("trace", str(SVG), "--picture", "out.pdf")
    assert (finished.exit_code, "suffix must be one of" in str(finished.exception)) == (1, True)
    assert isinstance(finished.exception, ConfigError)


def test_a_missing_ancestor_is_reported() -> None:
    COLLECT.manifest.unlink()
    finished = audit("trace", str(SVG))
    assert f"{COLLECT.manifest}: cannot be read" in finished.output
    assert finished.exit_code == 1
    told = json.loads(audit("trace", str(SVG), "--json").output)
    assert [item["artifact"] for item in told["ancestry"] if "problem" in item] == [str(COLLECT.manifest)]


def test_missing_weights_are_reported_and_not_a_failure() -> None:
    PRETRAIN.folder.joinpath("policy.safetensors").unlink()
    finished = audit("trace", str(SVG))
    assert finished.exit_code == 0
    assert "pretrain two_state_mdp seed 0  missing  manifest" in finished.output


def test_an_altered_figure_and_an_altered_table_are_not_vouched_for() -> None:
    SVG.write_text(SVG.read_text("utf-8") + "<!-- more -->", encoding="utf-8")
    finished = audit("trace", str(SVG))
    assert finished.exit_code == 1
    assert "figure figure_9  tampered (figure_9.svg is not the file that was made" in finished.output
    table = EVALUATE.folder / "episodes.parquet"
    table.write_bytes(table.read_bytes() + b"x")
    found = {
        item["artifact"]: item for item in json.loads(audit("trace", str(SVG), "--json").output)["ancestry"]
    }
    assert found[str(EVALUATE.manifest)]["verdict"] == "tampered"
    assert found[str(PRETRAIN.manifest)]["verdict"] == "verified"


@pytest.mark.parametrize("suffix", [".svg", ".png", ".csv", ".CSV"])
def test_a_copy_of_a_figure_is_traced(suffix: str, tmp_path: Path) -> None:
    alone = tmp_path / f"from_a_talk{suffix}"
    shutil.copy(SVG.with_suffix(suffix.lower()), alone)
    finished = audit("trace", str(alone))
    assert finished.exit_code == 0
    assert json.loads(audit("trace", str(alone), "--json").output)["match"] == "identical"
    output = finished.output
    assert "made by `fpc figure --scale=tiny --name=figure_9`, plotted data sha256 " in output
    assert (
        f"It is the file that the manifest of {SVG.with_suffix(suffix.lower())} names, byte for byte."
        in output
    )
    assert "pretrain two_state_mdp seed 0" in output
    table = pd.read_csv(SVG.with_suffix(".csv"), float_precision="round_trip").drop(columns="source")
    assert read_source(alone)[1] == content_digest(table)


def test_a_copy_that_was_altered_or_has_other_data_is_recognised(tmp_path: Path) -> None:
    alone = tmp_path / "figure.svg"
    text = SVG.read_text("utf-8")
    alone.write_text(text.replace("</svg>", "<!-- more --></svg>"), encoding="utf-8")
    finished = audit("trace", str(alone))
    assert (finished.exit_code, "other code, or altered" in finished.output) == (1, True)
    alone.write_text(text.replace(read_source(SVG)[1], "0" * 64), encoding="utf-8")
    finished = audit("trace", str(alone))
    assert (finished.exit_code, "It says that it shows data other than that of" in finished.output) == (
        1,
        True,
    )
    SVG.unlink()
    assert json.loads(audit("trace", str(alone), "--json").output)["match"] == "unknown data"


def test_rows_of_a_csv_that_were_altered_are_refused(tmp_path: Path) -> None:
    alone = tmp_path / "figure.csv"
    lines = SVG.with_suffix(".csv").read_text("utf-8").splitlines()
    alone.write_text("\n".join([*lines[:-1], lines[-1].replace(",", ",1", 1)]) + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match="altered: its rows are not those it was written with"):
        read_source(alone)
    finished = audit("trace", str(alone))
    assert isinstance(finished.exception, UserError)
    assert finished.exception.exit_code == 1


def saved_again(separator: str, line_end: str, encoding: str, quoting: Literal[0, 1, 2]) -> bytes:
    """The figure's CSV as another program saves it."""
    with SVG.with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator, lineterminator=line_end, quoting=quoting).writerows(rows)
    return text.getvalue().encode(encoding)


@pytest.mark.parametrize(
    ("separator", "line_end", "encoding", "quoting"),
    [
        (",", "\n", "utf-8-sig", csv.QUOTE_MINIMAL),
        (",", "\r\n", "utf-8", csv.QUOTE_MINIMAL),
        (";", "\r\n", "utf-8-sig", csv.QUOTE_MINIMAL),
        ("\t", "\r\n", "utf-16", csv.QUOTE_MINIMAL),
        (",", "\n", "utf-8", csv.QUOTE_ALL),
    ],
)
def test_a_csv_that_a_spreadsheet_saved_again_has_the_same_rows(
    separator: str, line_end: str, encoding: str, quoting: Literal[0, 1, 2], tmp_path: Path
) -> None:
    alone = tmp_path / "figure.csv"
    alone.write_bytes(saved_again(separator, line_end, encoding, quoting))
    assert read_source(alone) == read_source(SVG)
    finished = audit("trace", str(alone))
    assert finished.exit_code == 0, finished.output
    assert "only the form of the file differs" in finished.output
    assert json.loads(audit("trace", str(alone), "--json").output)["match"] == "same rows"
    text = alone.read_bytes().decode(encoding)
    changed = re.sub(r"0\.(\d)", r"1.\1", text, count=1)
    assert changed != text
    alone.write_bytes(changed.encode(encoding))
    with pytest.raises(ValueError, match="altered: its rows are not those"):
        read_source(alone)


def test_a_csv_in_another_encoding_or_with_decimal_commas_says_what_to_do(tmp_path: Path) -> None:
    alone = tmp_path / "figure.csv"
    alone.write_bytes("größe,source\n1,fpc\n".encode("latin-1"))
    with pytest.raises(ValueError, match="save it as CSV in UTF-8"):
        read_source(alone)
    alone.write_bytes(saved_again(";", "\n", "utf-8", csv.QUOTE_MINIMAL).replace(b".", b","))
    with pytest.raises(ValueError, match="such as with a decimal comma"):
        read_source(alone)


@pytest.mark.parametrize(
    "convert", [lambda text: b"\xef\xbb\xbf" + text, lambda text: text.replace(b"\n", b"\r\n")]
)
def test_a_csv_in_the_results_that_was_saved_again_is_named_as_that(
    convert: Callable[[bytes], bytes],
) -> None:
    path = SVG.with_suffix(".csv")
    path.write_bytes(convert(path.read_bytes()))
    (reason, *_) = findings()[FIGURE.manifest].reasons
    assert reason.endswith(f"only its line ends or byte-order mark do; git checkout -- {path}")


def test_something_other_than_a_figure_is_one_error(tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n", encoding="utf-8")
    wide = tmp_path / "wide.csv"
    wide.write_text(f"a,source\n1,{'x' * 200_000}\n", encoding="utf-8")
    for path in (other, wide, tmp_path / "none.svg", Path("configs/tiny.yaml"), Path("results/tiny")):
        assert isinstance(audit("trace", str(path)).exception, ConfigError), path  # exit code 2
    evil = tmp_path / "evil.svg"
    evil.write_text(SVG.read_text("utf-8").replace("--scale=tiny", "--scale=../../x"), encoding="utf-8")
    assert "leads outside the results" in str(audit("trace", str(evil)).exception)


def test_the_manifest_of_any_file() -> None:
    assert manifest_of(FIGURE.folder / "figure_9.png") == FIGURE.manifest
    assert manifest_of(FINETUNE.folder / "milestones" / "step_0.safetensors") == FINETUNE.manifest
    assert manifest_of(FINETUNE.folder) == FINETUNE.manifest
    with pytest.raises(ConfigError, match="no manifest names it"):
        manifest_of(Path("configs/tiny.yaml"))


def test_diff_takes_a_renamed_key_for_the_same(chain: Path) -> None:
    names = {PRETRAIN.manifest: "maximum_steps", Path("results/other/manifest.json"): "max_steps"}
    shutil.copytree(chain / PRETRAIN.folder, "results/other")

    def change(statement: dict[str, Any], name: str) -> None:
        statement["predicate"]["buildDefinition"]["externalParameters"]["section"]["pretrain"][name] = 9

    for path, name in names.items():
        rewrite(path, partial(change, name=name))
    assert "configuration:" not in audit("diff", *map(str, names)).output


def test_diff_says_in_words_what_differs(chain: Path) -> None:
    path = chain / "configs" / "tiny.yaml"
    finetune(load("tiny"), "two_state_mdp", "vanilla", (1,))
    other = Row("tiny", "finetune", "two_state_mdp", "vanilla", (1,))
    same = audit("diff", str(FINETUNE.folder), str(FINETUNE.manifest))
    assert (same.exit_code, "Made the same way; every file has the same content." in same.output) == (0, True)
    differs = audit("diff", str(FINETUNE.folder), str(other.folder))
    assert differs.exit_code == 1
    assert "run:\n  seeds: [0] in A, [1] in B" in differs.output
    assert "configuration:" not in differs.output
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("two_state_mdp:\n", "two_state_mdp:\n    seeds: 3\n", 1), "utf-8")
    found = json.loads(audit("diff", str(FINETUNE.folder), str(PRETRAIN.folder), "--json").output)
    assert "phase: finetune in A, pretrain in B" in found["run"]
    assert "results/tiny/two_state_mdp/collect/seed_0/manifest.json only in A" in found["inputs"]
