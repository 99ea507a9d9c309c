"""Names and words that contain markup of Plotly, pandas, WebVTT and SubRip."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import plotly
import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.async_api import async_playwright

import voicebot
from tests.support.notebooks import code_cells
from voicebot.conversation.log import ConversationLog
from voicebot.conversation.reading.captions import srt, webvtt
from voicebot.conversation.reading.markup import plain
from voicebot.events import ParticipantJoined, TranscriptFinal

NOTEBOOK = Path(__file__).parents[3] / "notebooks" / "02_conversations.ipynb"
NAMES = (
    '<a href="javascript:document.title=1">click me</a>',
    '<b onclick="x()">bold</b> & co',
    "<i>1</i><br>2</extra>",
    r"$\href{https://evil.example}{x}$",
    "%{x} &lt;b&gt; &#60;i&#62;",
    "1",  # an axis would take it for a number
)


def write(folder: Path) -> None:
    log = ConversationLog("hostile", folder)
    for at, name in enumerate(NAMES):
        who = {"participant_id": f"p{at}"}
        log.emit(ParticipantJoined(**who, t=0, name=name, kind="human"))
        log.emit(
            TranscriptFinal(
                **who,
                t=at + 1.0,
                utterance_id=f"u{at}",
                text=f"{name} said",
                start_t=float(at),
                end_t=at + 0.9,
            )
        )
    log.close()


@pytest.fixture
def told(tmp_path: Path) -> dict[str, Any]:
    """What the notebook makes of such a conversation, up to the chart of who spoke when."""
    write(tmp_path / "hostile")
    cells = code_cells(NOTEBOOK)
    made: dict[str, Any] = {"logs": voicebot.load(tmp_path)}
    for beginning in ("spoken = ", "import plotly"):
        exec(next(cell for cell in cells if cell.startswith(beginning)), made)
    return made


def test_names_are_escaped_in_the_notebooks_figure(told: dict[str, Any]) -> None:
    figure = json.loads(told["chart"].to_json())
    assert len(figure["data"]) == len(NAMES)
    assert figure["layout"]["yaxis"]["type"] == "category"
    for trace in figure["data"]:
        for text in (trace["name"], *trace["y"], trace["customdata"][0][0]):
            assert not set("<>$") & set(text)


@pytest.mark.needs("chromium")
async def test_a_browser_shows_names_literally(told: dict[str, Any], tmp_path: Path) -> None:
    script = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
    chart = told["chart"].to_json().replace("<", r"\u003c")
    (tmp_path / "page.html").write_text(
        f'<!doctype html><meta charset=utf-8><div id=chart></div><script src="{script.as_uri()}"></script>'
        f'<script>Plotly.newPlot("chart", {chart})</script>'
    )
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = await browser.new_page(viewport={"width": 1600, "height": 900})
        await page.goto((tmp_path / "page.html").as_uri())
        await page.wait_for_selector(".ytick text")
        shown = await page.locator(".ytick text").all_text_contents()
        assert sorted(shown) == sorted(NAMES)
        for bar in await page.locator(".bars .point path").all():
            await bar.hover(force=True)
            await page.wait_for_selector(".hoverlayer text")
            assert await page.locator("#chart svg :is(a, [style*=bold], [style*=italic])").count() == 0
        await browser.close()


def test_names_are_not_formulas_in_the_notebooks_tables(told: dict[str, Any]) -> None:
    """Jupyter typesets text between dollar signs in a table."""
    (setting,) = (line for line in code_cells(NOTEBOOK)[0].splitlines() if line.startswith("pd.set_option"))
    with pd.option_context("display.html.use_mathjax", True):
        exec(setting, {"pd": pd})
        table = told["turns"]._repr_html_()
    assert "tex2jax_ignore" in table
    assert "<a" not in table
    assert "<i>" not in table


def test_captions_contain_only_their_own_tags(tmp_path: Path) -> None:
    write(tmp_path)
    shown = webvtt(tmp_path)
    assert shown.count("<") == 2 * len(NAMES)  # <v Name> and </v>
    assert not set("<>{}") & set(srt(tmp_path).replace("-->", ""))


@given(st.text())
def test_plain_text_is_not_escaped(text: str) -> None:
    assert not set("<>$") & set(plain(text))
