"""The page is whole in itself, accessible and safe."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from fpc.claims.claim import ClaimContext
from fpc.claims.evaluate import CLAIMS, evaluate_claims
from fpc.claims.seeds import seeds_table
from fpc.reporting.page import ReportFigure, render_report

SVG = b"<svg xmlns='http://www.w3.org/2000/svg'/>"
FIGURE = ReportFigure("figure_3c", "Success on the whole <sequence>", SVG, "step,value\n0,1\n")
VOID = {"meta", "link", "img", "br", "input", "hr"}


class Page(HTMLParser):
    """Collects elements and checks that every one that is opened is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, self.getpos()

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Attributes of every element of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(name="text")
def text_fixture(paper_like: dict[str, dict[str, pd.DataFrame]]) -> str:
    """The page of hand-made tables."""
    results = evaluate_claims(paper_like, ClaimContext("tiny", resamples=50))
    episodes = pd.concat([paper_like[name]["episodes"] for name in ("robotic_sequence", "apple_retrieval")])
    records = [result.record() for result in results]
    return render_report(
        "A <report>", "tiny", records, [FIGURE], seeds_table(episodes), {"Commit": "0123abc"}
    )


def test_needs_no_other_file(text: str) -> None:
    page = Page(text)
    assert not page.open
    assert not page.all("script") + page.all("link")
    for _, attributes in page.elements:
        for name in ("src", "href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:")), attributes
    assert "url(" not in text
    assert "@import" not in text


def test_is_accessible(text: str) -> None:
    page = Page(text)
    assert page.all("html") == [{"lang": "en"}]
    assert all(image.get("alt") for image in page.all("img"))
    assert len(page.all("h1")) == len(page.all("main")) == 1
    assert len(page.all("table")) == len(page.all("caption"))
    assert all(cell.get("scope") in ("col", "row") for cell in page.all("th"))
    names = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(names) == len(set(names))
    targets = {(link["href"] or "")[1:] for link in page.all("a") if (link["href"] or "").startswith("#")}
    assert targets <= set(names)


def test_shows_every_claim_figure_and_seed(text: str) -> None:
    assert all(f'id="{claim.id}"' in text for claim in CLAIMS)
    assert "Figure 3c" in text
    assert "0123abc" in text
    assert "(M=30,c=0.5)" in text
    assert (
        len(re.findall(r'<li class="number">4: ', text)) == len(re.findall(r'<ul class="seeds">', text)) > 10
    )


def test_escapes_what_comes_from_files(text: str) -> None:
    assert "A &lt;report&gt;" in text
    assert "whole &lt;sequence&gt;" in text


def test_is_the_same_twice(text: str) -> None:
    assert FIGURE.picture.startswith("data:image/svg+xml;base64,PHN2Zy")
    assert text.count("data:image/svg+xml") == 1


def test_without_figures_or_seeds() -> None:
    page = render_report("Empty", "tiny", [], [], seeds_table(pd.DataFrame(columns=["measure"])), {})
    assert "No figure was drawn" in page


def test_a_film_plays_only_when_it_is_asked_for() -> None:
    moving = ReportFigure("film_6", "Attempts", SVG, "", b"GIF89a")
    page = Page(
        render_report(
            "Film", "tiny", [], [FIGURE, moving], seeds_table(pd.DataFrame(columns=["measure"])), {}
        )
    )
    assert len(page.all("details")) == len(page.all("summary")) == 1
    assert page.all("img")[-1]["src"] == "data:image/gif;base64,R0lGODlh"
