"""The quickstart as a newcomer meets it: a real JupyterLab in a real browser."""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anywidget
import nbformat
import psutil
import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.e2e.conftest import CHROMIUM, QUIET
from tests.support.waiting import GUARD

ROOT = Path(__file__).parents[3]
START = 90.0
"""Seconds for JupyterLab, and for a cell, on a machine that is busy with other things."""

SETTLED = """() => {
  const panel = window.jupyterapp?.shell?.currentWidget;
  const kernel = panel?.sessionContext?.session?.kernel;
  return Boolean(kernel && kernel.status === "idle" && kernel.connectionStatus === "connected");
}"""

DARK = "() => window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})"
expect.set_options(timeout=30_000)
RUN_ALL = "() => window.jupyterapp.commands.execute('notebook:run-all-cells')"


@asynccontextmanager
async def jupyterlab(folder: Path) -> AsyncIterator[str]:
    """JupyterLab over `folder`, with settings of its own; gives its address."""
    home = folder / ".lab"
    settings = home / "share" / "lab" / "settings"
    settings.mkdir(parents=True)
    overrides = {
        "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
        "@jupyterlab/notebook-extension:tracker": {
            "autoStartDefaultKernel": True,
            "windowingMode": "none",
        },
    }
    (settings / "overrides.json").write_text(json.dumps(overrides))
    token = secrets.token_hex(16)
    env = os.environ | {
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "user-settings"),
        "IPYTHONDIR": str(home / "ipython"),
        # where the widgets' page parts are, also when the packages come from another environment
        "JUPYTER_PATH": str(Path(anywidget.__file__).parents[4] / "share" / "jupyter"),
        "PYTHONPATH": str(ROOT),
        "DATA_DIR": str(folder / "data"),
        "DOWNLOAD_TIMEOUT": "0",
        "PORT": "0",
    }
    log = (home / "lab.log").open("wb")
    lab = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "jupyterlab",
        "--no-browser",
        "--allow-root",
        "--ServerApp.port=0",
        "--LabApp.expose_app_in_browser=True",
        f"--LabApp.app_settings_dir={settings}",
        f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={folder}",
        cwd=folder,
        env=env,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(START):
            while not (found := list((home / "runtime").glob("jpserver-*.json"))):
                assert lab.returncode is None, (home / "lab.log").read_text()
                await asyncio.sleep(0.1)  # another process: there is nothing to await
        address = json.loads(found[0].read_text())["url"]
        yield f"{address}lab/tree/{{name}}?token={token}"
    finally:
        os.killpg(lab.pid, signal.SIGTERM)
        try:
            await asyncio.wait_for(lab.wait(), 10)
        except TimeoutError:
            os.killpg(lab.pid, signal.SIGKILL)
            await lab.wait()
        log.close()


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*QUIET, "--use-fake-ui-for-media-stream"]
        )
        yield chromium
        await chromium.close()


async def open_notebook(browser: Browser, address: str, name: str) -> Page:
    page = await browser.new_page(viewport={"width": 1500, "height": 1700})
    page.set_default_timeout(START * 1000)
    await page.goto(address.format(name=name))
    await page.wait_for_function(SETTLED)
    return page


def write_notebook(path: Path) -> None:
    """The quickstart, most of whose cells run again at its end, and a view that opens late.

    Running a cell again changes nothing. Those that speak, block or leave are left out: they take long.
    """
    notebook = nbformat.read(ROOT / "notebooks" / "01_quickstart.ipynb", as_version=4)
    again = [
        cell.source
        for cell in notebook.cells
        if cell.cell_type == "code" and not re.search(r"wb\.(say|leave)|time\.sleep", cell.source)
    ]
    there = "(wb.link, sorted(wb.agent_session.agents))"
    added = [f"there = {there}", *again, f"assert {there} == there", "wb.panel()  # late"]
    notebook.cells += map(nbformat.v4.new_code_cell, added)
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)


def media_workers() -> list[psutil.Process]:
    """Those that processes of this test have started."""
    return [
        process
        for process in psutil.Process().children(recursive=True)
        if "voicebot.media.process.worker" in process.cmdline()
    ]


@pytest.mark.long
@pytest.mark.timeout(400)
async def test_the_quickstart_in_jupyterlab(browser: Browser, tmp_path: Path, shots: Path) -> None:
    write_notebook(tmp_path / "quickstart.ipynb")
    async with jupyterlab(tmp_path) as address:
        page = await open_notebook(browser, address, "quickstart.ipynb")
        await page.evaluate(RUN_ALL)

        # the conversation of the guest appears while the cells run
        transcript = page.locator(".vb-transcript").first
        said = transcript.locator(".vb-line.vb-speech[data-final=true]")
        by_guest = said.filter(has_text=re.compile(r"Guest .*\w")).first
        await expect(by_guest).to_be_visible(timeout=START * 1000)
        await expect(page.locator(".vb-turn").first).to_be_visible(timeout=START * 1000)
        await expect(page.locator(".vb-card[data-state]").first).to_contain_text("lighthouse keeper")
        await expect(page.locator(".vb-notices").first).to_contain_text(
            "blocked the event loop", timeout=START * 1000
        )
        await page.wait_for_function(
            "() => [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')]"
            ".every((prompt) => /\\[\\d+\\]/.test(prompt.textContent))"
        )
        wrong = page.locator(".jp-RenderedText[data-mime-type*=stderr], .jp-OutputArea-error")
        told = "".join(await wrong.all_inner_texts()).splitlines()
        assert [line for line in told if "the media loop stalled" not in line] == []  # on a busy machine

        # a view that opens late shows what was said before
        late = page.locator(".vb-transcript").last.locator(".vb-line.vb-speech[data-final=true]")
        await expect(late).to_have_count(await said.count())

        # hovering a bar gives its numbers
        await page.locator(".vb-turn").first.hover()
        await expect(page.locator(".vb-tip").first).to_contain_text("end to end")
        await page.screenshot(path=shots / "quickstart-light.png")

        # another voice by the dropdown: it answers, and the transcript says so
        voice = page.locator(".widget-dropdown", has_text="Text to speech").first.locator("select")
        await voice.select_option(label="flite:slt")
        status = page.locator(".widget-html", has_text="flite:slt is in use from the next turn on")
        await expect(status.first).to_be_visible()

        # an agent from one line
        await page.get_by_placeholder("Add an agent").first.fill("a shy botanist")
        await page.get_by_role("button", name="Add", exact=True).first.click()
        botanist = page.locator(".vb-card", has_text="a shy botanist")
        await expect(botanist.first).to_be_visible()
        await botanist.first.get_by_role("button", name=re.compile("Remove")).click()
        await expect(botanist).to_have_count(0)

        # the link works, here and in a tab
        link = page.locator(".vb-open").first
        href = await link.get_attribute("href")
        assert href is not None
        tab = await browser.new_page()
        await tab.goto(href)
        await expect(tab.locator("body")).to_contain_text(re.compile("join", re.I))
        await tab.close()
        await page.get_by_role("button", name="Show it here").first.click()
        client = page.frame_locator(".vb-frame >> nth=0")
        await expect(client.locator("body")).to_contain_text(re.compile("join", re.I))
        frame = page.locator(".vb-frame").first
        assert "microphone" in (await frame.get_attribute("allow") or "")
        await frame.scroll_into_view_if_needed()
        await page.screenshot(path=shots / "quickstart-lobby.png")

        await page.evaluate(DARK)
        await expect(page.locator("body")).to_have_attribute("data-jp-theme-light", "false")
        await page.locator(".vb-turn").first.hover()
        await page.screenshot(path=shots / "quickstart-dark.png")
        workers = media_workers()
        assert workers
    # what the kernel started ends with it
    _, alive = await asyncio.to_thread(psutil.wait_procs, workers, timeout=GUARD)
    assert not alive
