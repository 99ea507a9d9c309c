"""The model dropdowns and the add-agent field, with real Models and backends that are scripts."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.waiting import GUARD
from voicebot.agent.models.choose import Choice
from voicebot.agent.models.models import Option
from voicebot.errors import ModelLoadError
from voicebot.registry import Availability
from voicebot.workbench.panes.controls import AddAgent, ModelControl


class Offered:
    """What `Models` shows to a control: the model in use and the options."""

    def __init__(self) -> None:
        self.chosen = {"tts": Choice("espeak", "embedded")}

    def options(self, role: str) -> list[Option]:
        return [
            Option("espeak", Availability("ready", "in use")),
            Option("flite:slt", Availability("ready", "installed")),
            Option("piper:nice", Availability("downloadable", "63 MB to download")),
        ]


class Swapping:
    """Loads when told to, and remembers what it was asked."""

    def __init__(self, models: Offered, error: Exception | None = None) -> None:
        self.models, self.error = models, error
        self.begun, self.go = asyncio.Event(), asyncio.Event()
        self.done = asyncio.Event()
        self.asked: list[tuple[str, str]] = []

    async def __call__(self, role, spec, progress):
        self.asked.append((role, spec))
        await asyncio.to_thread(progress, "Downloading: 31 of 63 MB", 0.5)
        self.begun.set()
        await self.go.wait()
        try:
            if self.error is not None:
                raise self.error
            self.models.chosen[role] = Choice(spec, "swapped in")
        finally:
            self.done.set()


async def settled(control: ModelControl) -> None:
    async with asyncio.timeout(GUARD):
        while control._tasks:
            await asyncio.gather(*control._tasks)


def in_another_thread(work) -> None:
    async def other_loop() -> None:
        work()

    asyncio.run(other_loop())


async def test_choosing_a_model_shows_progress_and_then_the_model_in_use(page):
    models = Offered()
    swap = Swapping(models)
    control = ModelControl("tts", models, swap, asyncio.get_running_loop())
    assert control.dropdown.value == "espeak"
    assert ("piper:nice (63 MB to download)", "piper:nice") in control.dropdown.options

    # index 1 is flite:slt; the callback comes on another thread with another loop
    await asyncio.to_thread(in_another_thread, lambda: page.set(control.dropdown, index=1))
    await asyncio.wait_for(swap.begun.wait(), GUARD)
    await asyncio.sleep(0)
    assert control.dropdown.disabled
    assert control.bar.layout.display == ""
    assert control.bar.value == 0.5
    assert "31 of 63 MB" in control.status.value
    swap.go.set()
    await settled(control)
    assert swap.asked == [("tts", "flite:slt")]
    assert control.dropdown.value == "flite:slt"
    assert not control.dropdown.disabled
    assert control.bar.layout.display == "none"
    assert "from the next turn on" in control.status.value


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            ModelLoadError("The file is <cut> off.", hint="Get it again."),
            "The file is &lt;cut&gt; off. Get it",
        ),
        (ZeroDivisionError("oops"), "ZeroDivisionError: oops"),
    ],
)
async def test_a_failed_load_keeps_the_old_model_and_says_why(page, error, said):
    models = Offered()
    swap = Swapping(models, error)
    control = ModelControl("tts", models, swap, asyncio.get_running_loop())
    swap.go.set()
    page.set(control.dropdown, index=2)
    await asyncio.wait_for(swap.done.wait(), GUARD)
    await settled(control)
    assert control.dropdown.value == "espeak"
    assert not control.dropdown.disabled
    assert said in control.status.value
    assert "espeak stays" in control.status.value
    assert swap.asked == [("tts", "piper:nice")]  # setting it back loads nothing


async def test_a_model_swapped_elsewhere_is_shown(page):
    models = Offered()
    control = ModelControl("tts", models, Swapping(models), asyncio.get_running_loop())
    models.chosen["tts"] = Choice("other:one", "swapped in")
    control.refresh()
    assert control.dropdown.value == "other:one"
    assert "swapped in" in control.status.value
    assert "embedded" not in control.status.value


async def test_stopping_the_panel_cancels_a_running_swap(page):
    models = Offered()
    swap = Swapping(models)
    control = ModelControl("tts", models, swap, asyncio.get_running_loop())
    page.set(control.dropdown, index=1)
    await asyncio.wait_for(swap.begun.wait(), GUARD)
    await control.stop()
    assert not control._tasks
    assert control.dropdown.disabled
    assert control.bar.layout.display == "none"
    assert "Stopped" in control.status.value
    assert control.dropdown.value == "espeak"
    control._begin("flite:slt")
    await asyncio.sleep(0)
    assert swap.asked == [("tts", "flite:slt")]


async def test_add_agent_spawns_once_and_clears_the_line(page):
    spawned, go = [], asyncio.Event()

    async def spawn(description: str) -> None:
        spawned.append(description)
        await go.wait()

    field = AddAgent(spawn, asyncio.get_running_loop())
    page.set(field.text, value="  a shy botanist ")
    page.send(field.text, {"event": "submit"})
    page.send(field.button, {"event": "click"})
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert spawned == ["a shy botanist"]
    go.set()
    await settled(field)
    assert field.text.value == ""
    assert not field.button.disabled


async def test_after_the_end_no_agent_is_added_and_the_line_stays(page):
    spawned, begun = [], asyncio.Event()

    async def spawn(description: str) -> None:
        spawned.append(description)
        begun.set()
        await asyncio.Event().wait()

    field = AddAgent(spawn, asyncio.get_running_loop())
    page.set(field.text, value="a shy botanist")
    page.send(field.text, {"event": "submit"})
    await asyncio.wait_for(begun.wait(), GUARD)
    await field.stop()
    assert not field._tasks
    assert field.button.disabled
    assert field.text.disabled
    page.send(field.text, {"event": "submit"})
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert spawned == ["a shy botanist"]
    assert field.text.value == "a shy botanist"


async def test_a_description_that_failed_stays_for_another_try(page):
    async def spawn(description: str) -> None:
        raise ModelLoadError("no")

    field = AddAgent(spawn, asyncio.get_running_loop())
    page.set(field.text, value="a shy botanist")
    page.send(field.button, {"event": "click"})
    await asyncio.sleep(0)
    await settled(field)
    assert field.text.value == "a shy botanist"
    assert not field.button.disabled
