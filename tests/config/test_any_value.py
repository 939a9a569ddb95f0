"""Whatever stands in a configuration file, it is valid or there is one message; never another error."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from fpc.core.errors import ConfigError
from fpc.workflow import loader
from fpc.workflow.yaml_files import read_mapping

VALUES = (None, [], "x", 3, True, {"a": None})


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Path of every key and every item."""
    if at:
        yield at
    inner = (
        value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, item in inner:
        yield from places(item, (*at, key))


def replaced(content: dict[str, Any], at: tuple[Any, ...], value: Any) -> dict[str, Any]:
    content = copy.deepcopy(content)
    node: Any = content
    for key in at[:-1]:
        node = node[key]
    node[at[-1]] = value
    return content


@pytest.mark.usefixtures("project")
def test_any_value_in_any_place_is_valid_or_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    paper = read_mapping(Path("configs/paper.yaml"))
    messages: dict[tuple[Any, ...], str] = {}
    for at in places(paper):
        for value in VALUES:
            changed = replaced(paper, at, value)
            monkeypatch.setattr(loader, "read_mapping", lambda path, found=changed: found)
            try:
                loader.load("paper")
            except ConfigError as error:
                messages[(*at, str(value))] = str(error)
    assert len(messages) > 1000
    assert [at for at, text in messages.items() if "configs/paper.yaml: " not in text] == []
    assert max(map(len, messages.values())) < 2000


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"figure: {}\nfigure: {}\n", ', line 2, column 1: found duplicate key "figure"; keep one'),
        (b"figure:\n\tseed: 1\n", ", line 2, column 1: a tab; indent with spaces"),
        (b"figure: *nowhere\n", "undefined alias 'nowhere'"),
        (b"figure: &a {seed: *a}\n", "has no end"),
        (b"figure: [1\n", "line 2, column 1: cannot be read as YAML"),
        (b"seed: 2024-13-45\n", "cannot be read as YAML: month must be in 1..12"),
        (b"seed: !!bool q\n", "cannot be read as YAML"),
        (b"title: \xff\n", "cannot be read as YAML"),
        (b"# nothing else\n", "is empty"),
        (b"- scale\n", "must contain keys and values, not a list"),
        (b"a: " + b"[" * 3000, "cannot be read as YAML"),
    ],
)
def test_a_file_that_is_no_mapping_is_one_line_with_its_place(
    tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / "broken.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_mapping(path)
    assert str(caught.value).startswith(str(path))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_line_ends_and_mark_of_windows_are_read(tmp_path: Path) -> None:
    path = tmp_path / "windows.yaml"
    path.write_bytes(b"\xef\xbb\xbfscale: windows\r\nfigure: {seed: 1}\r\n")
    assert read_mapping(path) == {"scale": "windows", "figure": {"seed": 1}}


def test_an_error_of_a_section_shows_the_offending_values_alone(project: Path) -> None:
    text = "scale: broken\nexperiments: {nethack: {network: {crop_size: 8}}}\n"
    (project / "configs" / "broken.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        loader.load("broken")
    assert "must be odd" in str(caught.value)
    assert "screen_channels" not in str(caught.value)


@pytest.mark.parametrize("name", ["a b", "a;b", "{a}", "it's", "-a", ".a", "2024", "1e3", "ü", "a" * 65])
def test_a_name_that_a_shell_or_snakemake_takes_apart_is_refused(project: Path, name: str) -> None:
    (project / "configs" / f"{name}.yaml").write_text(f"scale: {name!r}\n", encoding="utf-8")
    (project / "configs" / "variants" / f"{name}.yaml").write_text("{}\n", encoding="utf-8")
    for scale, variant in ((name, None), ("tiny", name)):
        with pytest.raises(ConfigError, match=r"a name begins with a letter.*; rename the file"):
            loader.load(scale, variant)
    text = f"scale: broken\nexperiments: {{{name!r}: {{extends: two_state_mdp}}}}\n"
    (project / "configs" / "broken.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"broken.yaml: experiments\..*: a name begins with a letter"):
        loader.load("broken")


@pytest.mark.usefixtures("project")
def test_an_empty_name_is_no_choice() -> None:
    with pytest.raises(ConfigError, match=r"name of the scale is empty; give one of: .*laptop"):
        loader.load("")
    with pytest.raises(ConfigError, match="name of the variant is empty"):
        loader.load("tiny", "")
