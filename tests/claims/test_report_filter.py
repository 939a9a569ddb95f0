"""The filter of the ledger, used in a real browser on the page as a file."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fpc.claims.seeds import seeds_table
from fpc.reporting.page import render_report

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None
)
# Runs after the page's own script: does something, then leaves what a reader would see in the page.
PROBE = """<script>
  const form = document.getElementById("filter");
  const pick = (name, value) => {{
    form.elements[name].value = value;
    form.elements[name].dispatchEvent(new Event("change", {{ bubbles: true }}));
  }};
  {action}
  setTimeout(() => {{
    const rows = [...document.querySelectorAll("tr[data-verdict]")].filter(row => row.offsetParent);
    const said = document.createElement("pre");
    said.id = "said";
    said.textContent = JSON.stringify({{
      rows: rows.map(row => row.id),
      headings: [...document.querySelectorAll(".ledger h3")].filter(h => h.offsetParent).map(h => h.id),
      status: document.getElementById("shown").textContent,
      form: Boolean(form.offsetParent),
      values: [form.elements.domain.value, form.elements.verdict.value],
    }});
    document.body.append(said);
  }}, 500);
</script>"""


@pytest.fixture(name="records")
def records_fixture(ledger: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A ledger with several verdicts in several domains."""
    records = [dict(record) for record in ledger]
    for number, record in enumerate(records):
        if number % 7 == 0 and record["verdict"] == "reproduced":
            record["verdict"] = "undecided"
    return records


def rendered(records: list[dict[str, Any]]) -> str:
    """The page of this ledger, without figures and seeds."""
    return render_report("Filter", "tiny", records, [], seeds_table(pd.DataFrame(columns=["measure"])), {})


def dom(text: str, folder: Path) -> str:
    """The document after the browser ran the page's scripts."""
    if BROWSER is None:
        pytest.skip("no Chromium or Chrome is installed")
    page = folder / "report.html"
    page.write_text(text, encoding="utf-8")
    command = [
        BROWSER,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={folder / 'profile'}",
    ]
    command += ["--virtual-time-budget=2000", "--dump-dom", page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def seen(records: list[dict[str, Any]], folder: Path, action: str = "") -> dict[str, Any]:
    """What the page shows after the action; the probe needs a laxer policy than the page's own."""
    text = re.sub(r"script-src '[^']+'", "script-src 'unsafe-inline'", rendered(records), count=1)
    after = dom(text.replace("</body>", PROBE.format(action=action) + "</body>"), folder)
    found = re.search(r'<pre id="said">(.*?)</pre>', after, re.DOTALL)
    assert found is not None, after[-2000:]
    answer: dict[str, Any] = json.loads(html.unescape(found[1]))
    return answer


def ids(records: list[dict[str, Any]], **wanted: str) -> set[str]:
    """Ids of the claims with these fields."""
    return {str(item["id"]) for item in records if all(item[key] == value for key, value in wanted.items())}


def test_at_first_all_claims_and_the_controls_are_shown(
    records: list[dict[str, Any]], tmp_path: Path
) -> None:
    page = seen(records, tmp_path)
    assert set(page["rows"]) == ids(records)
    assert page["form"]
    assert page["status"] == f"{len(records)} of {len(records)} claims shown."


def test_the_page_s_own_policy_lets_its_script_run(records: list[dict[str, Any]], tmp_path: Path) -> None:
    after = dom(rendered(records), tmp_path)
    assert f"{len(records)} of {len(records)} claims shown." in after
    form = re.search(r'<form id="filter"[^>]*>', after)
    assert form is not None
    assert "hidden" not in form[0]


def test_domain_and_verdict_narrow_the_list_together(records: list[dict[str, Any]], tmp_path: Path) -> None:
    page = seen(records, tmp_path, 'pick("domain", "nethack"); pick("verdict", "undecided");')
    wanted = ids(records, domain="nethack", verdict="undecided")
    assert 0 < len(wanted) < len(ids(records, domain="nethack"))
    assert set(page["rows"]) == wanted
    assert page["headings"] == ["ledger-nethack"]
    assert page["status"] == f"{len(wanted)} of {len(records)} claims shown."


def test_a_domain_without_such_a_claim_shows_no_empty_table(
    records: list[dict[str, Any]], tmp_path: Path
) -> None:
    page = seen(records, tmp_path, 'pick("verdict", "not_testable");')
    wanted = ids(records, verdict="not_testable")
    domains = {item["domain"] for item in records if item["id"] in wanted}
    assert set(page["rows"]) == wanted
    assert set(page["headings"]) == {f"ledger-{domain}" for domain in domains}


def test_the_counts_at_the_top_lead_to_their_claims_and_the_button_back(
    records: list[dict[str, Any]], tmp_path: Path
) -> None:
    click = """document.querySelector('[data-of="montezuma"][data-count="undecided"]').click();"""
    page = seen(records, tmp_path, click)
    assert page["values"] == ["montezuma", "undecided"]
    assert set(page["rows"]) == ids(records, domain="montezuma", verdict="undecided")
    page = seen(records, tmp_path, click + 'form.querySelector("button").click();')
    assert set(page["rows"]) == ids(records)


def test_a_link_to_a_hidden_claim_shows_it(records: list[dict[str, Any]], tmp_path: Path) -> None:
    hidden = "two_state_mdp_coverage_value"
    action = f'pick("domain", "nethack"); setTimeout(() => location.hash = "{hidden}");'
    page = seen(records, tmp_path, action)
    assert set(page["rows"]) == ids(records)
