"""The page is self-contained, accessible and safe."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from html.parser import HTMLParser
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fpc.claims.headlines import HEADLINES, Headline
from fpc.claims.seeds import seeds_table
from fpc.claims.testing import all_claims
from fpc.reporting.embedding import compact_image
from fpc.reporting.page import ReportFigure, render_report

from .robotic_tables import robotic
from .toy_tables import toys


def png_of(pixels: np.ndarray) -> bytes:
    """A PNG of these pixels, uint8 ``[height, width, 3]``."""
    content = BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


PIXELS = np.zeros((40, 60, 3), dtype=np.uint8)
PIXELS[:20, :, 0], PIXELS[:, 30:, 2] = 213, 114
PNG = png_of(PIXELS)
CSV = "step,value\n0,1\n"
FIGURE = ReportFigure("figure_3c", "Success on the whole <sequence>", "All <stages> in a row.", PNG, CSV)
OPENING = ReportFigure(
    "figure_7", "Success on each stage", "Each stage by itself.", png_of(PIXELS[::-1].copy()), CSV
)


def _leads(headline: Headline) -> list[str]:
    return [name for name in (headline.loss, headline.remedy) if name is not None]


VOID = {"meta", "link", "img", "br", "input", "hr"}


class Page(HTMLParser):
    """Collects elements and checks that every opened one is closed."""

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
        """Attributes of every element with this tag."""
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(name="text", scope="module")
def text_fixture(ledger: list[dict[str, Any]]) -> str:
    """The page of hand-made tables."""
    tables = {**robotic(), **toys()}
    episodes = pd.concat([tables[name]["episodes"] for name in ("robotic_sequence", "apple_retrieval")])
    return render_report(
        "A <report>", "tiny", ledger, [FIGURE, OPENING], seeds_table(episodes), {"Commit": "0123abc"}
    )


def test_needs_no_other_file(text: str) -> None:
    page = Page(text)
    assert not page.open
    assert not page.all("link")
    assert page.all("script") == [{}]
    for _, attributes in page.elements:
        for name in ("src", "href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:")), attributes
    assert "url(" not in text
    assert "@import" not in text


def test_only_its_own_script_may_run(text: str) -> None:
    script = text.partition("<script>")[2].partition("</script>")[0]
    assert script
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = next(tag["content"] for tag in Page(text).all("meta") if "http-equiv" in tag)
    assert f"script-src 'sha256-{digest}'" in (policy or "")
    assert not re.search(r"\son\w+=|javascript:", text.replace(script, ""))


def test_opens_with_what_was_found(text: str) -> None:
    """The finding, a line and a picture per domain, the other figures, the ledger, then provenance."""
    order = [text.index(f'<h2 id="{name}"') for name in ("findings", "figures", "claims", "provenance")]
    assert order == sorted(order)
    opening = text[: order[1]]
    assert "That fine-tuning loses what π* knew is reproduced on RoboticSequence, NetHack" in opening
    for headline in HEADLINES:
        assert f'<h3 id="found-{headline.domain}">' in opening
        assert f'href="#{headline.loss}"' in opening
    assert opening.count("<strong>Measured:</strong>") == sum(len(_leads(item)) for item in HEADLINES)
    assert text.count('id="figure_7"') == 1
    assert 'id="figure_7"' in opening
    assert text.index("figure_3c.csv.gz") > order[1]


def test_counts_at_the_top_are_those_of_the_ledger(text: str) -> None:
    counts = re.findall(r'data-of="(\w+)" data-count="(\w+)" class="\w+">(\d+) ', text)
    assert counts
    for domain, verdict, count in counts:
        part = text.partition(f'data-domain="{domain}"')[2].partition("</section>")[0]
        assert part.count(f'data-verdict="{verdict}"') == int(count)


def test_without_scripts_all_claims_are_shown_and_no_control_that_does_nothing(text: str) -> None:
    assert "hidden" in next(attributes for attributes in Page(text).all("form"))
    assert not any("hidden" in row for row in Page(text).all("tr") + Page(text).all("section"))


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
    assert all(f'id="{claim.id}"' in text for claim in all_claims())
    assert "Figure 3c" in text
    assert "0123abc" in text
    assert "(M=30,c=0.5)" in text
    lists = len(re.findall(r'<ul class="seeds">', text))
    measured_once = 5  # pi* on each probe: one seed
    assert len(re.findall(r'<li class="number">4: ', text)) == lists - measured_once > 10


def test_escapes_what_comes_from_files(text: str) -> None:
    assert "A &lt;report&gt;" in text
    assert "whole &lt;sequence&gt;" in text
    assert "All &lt;stages&gt; in a row." in text


def test_is_the_same_twice(text: str) -> None:
    again = ReportFigure(FIGURE.name, FIGURE.title, FIGURE.caption, PNG, CSV)
    assert (again.image, again.download) == (FIGURE.image, FIGURE.download)
    assert text.count(FIGURE.image) == 1
    assert text.count(FIGURE.download) == 2  # the two figures have the same data


def test_pictures_and_tables_are_whole_but_small() -> None:
    media_type, _, content = FIGURE.image.partition(";base64,")
    assert media_type == "data:image/webp"
    with Image.open(BytesIO(base64.b64decode(content))) as image:
        assert np.array_equal(np.asarray(image.convert("RGB")), PIXELS)  # few colours: nothing is lost
    _, _, content = FIGURE.download.partition("data:application/gzip;base64,")
    assert gzip.decompress(base64.b64decode(content)).decode() == CSV


def test_a_picture_of_many_colours_hardly_changes() -> None:
    ramp = np.stack([np.add.outer(np.arange(100), np.arange(150)).astype(np.uint8)] * 3, axis=-1)
    with Image.open(BytesIO(compact_image(png_of(ramp)))) as image:
        assert np.abs(np.asarray(image.convert("RGB"), dtype=int) - ramp).max() <= 3


def test_without_figures_or_seeds() -> None:
    page = render_report("Empty", "tiny", [], [], seeds_table(pd.DataFrame(columns=["measure"])), {})
    assert "No figure was drawn" in page


def test_a_film_plays_only_when_it_is_asked_for() -> None:
    moving = ReportFigure("film_6", "Attempts", "The first attempts.", PNG, "", b"GIF89a")
    page = Page(
        render_report(
            "Film", "tiny", [], [FIGURE, moving], seeds_table(pd.DataFrame(columns=["measure"])), {}
        )
    )
    assert len(page.all("details")) == len(page.all("summary")) == 1
    assert page.all("img")[-1]["src"] == "data:image/gif;base64,R0lGODlh"
