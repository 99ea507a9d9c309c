"""One browser in a lobby, as a test sees it: captions, tiles, received sound."""

from __future__ import annotations

import asyncio
import base64
import io
from typing import Any

import av
import numpy as np
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray
from playwright.async_api import BrowserContext, Page, expect

from tests.support.waiting import GUARD

# In place of the microphone: what the test says, and silence before and after it.
MICROPHONE = """
(() => {
  const { mediaDevices } = navigator;
  if (!mediaDevices) return;
  const open = mediaDevices.getUserMedia.bind(mediaDevices);
  let context, mouth;
  mediaDevices.getUserMedia = async (wanted) => {
    const stream = await open(wanted);
    for (const device of stream.getAudioTracks()) {
      if (!context) {
        context = new AudioContext();
        mouth = context.createMediaStreamDestination();
        const silence = new ConstantSourceNode(context, { offset: 0 });  // is sent, too
        silence.connect(mouth);
        silence.start();
      }
      const track = mouth.stream.getAudioTracks()[0].clone();
      const settings = device.getSettings();
      track.getSettings = () => settings;
      stream.removeTrack(device);
      device.stop();
      stream.addTrack(track);
    }
    return stream;
  };
  window.__say = async (wav, again) => {
    const bytes = Uint8Array.from(atob(wav), (letter) => letter.charCodeAt(0));
    const buffer = await context.decodeAudioData(bytes.buffer);
    const source = new AudioBufferSourceNode(context, { buffer, loop: again });
    const ended = new Promise((resolve) => { source.onended = resolve; });
    source.connect(mouth);
    source.start();
    if (!again) await ended;
  };
})();
"""

# Records what the page plays: the <audio> of one participant, or of all mixed. Uncompressed, and by
# the browser's own recorder: a script that collects samples loses some while the page is busy.
CAPTURE = """
async (participant) => {
  const context = new AudioContext();
  await context.resume();
  const mixed = context.createMediaStreamDestination();
  const played = new Map();
  const attach = () => {
    for (const el of document.querySelectorAll('audio[data-participant]')) {
      if (participant && el.dataset.participant !== participant) continue;
      const stream = el.srcObject;
      const before = played.get(el);
      if (!stream || before?.mediaStream === stream || stream.getAudioTracks().length === 0) continue;
      before?.disconnect();  // as the element does: one of two connections is played
      const source = context.createMediaStreamSource(stream);
      source.connect(mixed);
      played.set(el, source);
    }
  };
  const { get, set } = Object.getOwnPropertyDescriptor(HTMLMediaElement.prototype, 'srcObject');
  Object.defineProperty(HTMLMediaElement.prototype, 'srcObject', {
    get, configurable: true, set(stream) { set.call(this, stream); attach(); },
  });
  attach();
  setInterval(attach, 50);
  const recorder = new MediaRecorder(mixed.stream, { mimeType: 'audio/webm;codecs=pcm' });
  const pieces = [];
  const more = async () => {
    const next = new Promise((resolve) => {
      recorder.addEventListener('dataavailable', resolve, { once: true });
    });
    recorder.requestData();
    pieces.push((await next).data);
    return pieces.at(-1).size > 0;
  };
  recorder.start();
  while (!(await more()));  // from here on everything is recorded
  window.__heard ??= {};
  window.__heard[participant ?? ''] = async () => {
    await more();
    const reader = new FileReader();
    const read = new Promise((resolve) => { reader.onload = resolve; });
    reader.readAsDataURL(new Blob(pieces));
    await read;
    return reader.result.split(',')[1];
  };
}
"""


# Notes what passes: the states of every tile, and each caption while it is still being spoken.
WATCH = """
window.__seen = { states: {}, spoken: [] };
new MutationObserver(() => {
  const { states, spoken } = window.__seen;
  const tiles = [...document.querySelectorAll('[data-testid^="tile-"][data-name]')];
  for (const { dataset } of tiles) states[dataset.name] ??= [];
  for (const [name, shown] of Object.entries(states)) {
    const now = tiles.find(({ dataset }) => dataset.name === name)?.dataset.state ?? "gone";
    if (shown.at(-1) !== now) shown.push(now);
  }
  for (const caption of document.querySelectorAll('[data-testid="caption"][data-final="false"]'))
    spoken.push([caption.dataset.speaker, caption.querySelector('time').textContent]);
}).observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
"""


CAPTIONS = """name => [...document.querySelectorAll('[data-speaker][data-final="true"]')]
  .filter(e => e.dataset.speaker === name).map(e => e.innerText.toLowerCase())"""


async def own_lobby(context: BrowserContext, url: str) -> str:
    """A lobby with an agent, made by who has this window of the browser; its id."""
    api, headers = f"{url}/api", {"Origin": url}
    await expect(await context.request.post(f"{api}/session", headers=headers)).to_be_ok()
    data: dict[str, Any] = {"name": "Tea room", "settings": {"private": False}}
    made = await context.request.post(f"{api}/lobbies", headers=headers, data=data)
    lobby = str((await made.json())["id"])
    agent = {"description": "Ada, a friendly guide"}
    agents = f"{api}/lobbies/{lobby}/agents"
    await expect(await context.request.post(agents, headers=headers, data=agent)).to_be_ok()
    return lobby


class Guest:
    """A person's browser tab."""

    def __init__(self, page: Page, name: str = "") -> None:
        self.page = page
        self.name = name
        self.problems: list[str] = []
        page.on("pageerror", lambda e: self.problems.append(str(e)))

    @classmethod
    async def open(
        cls, context: BrowserContext, url: str, name: str, lobby: str = "demo", **query: str
    ) -> Guest:
        page = await context.new_page()
        page.set_default_timeout(GUARD * 1000)
        guest = cls(page, name)
        await page.add_init_script(WATCH)
        more = "".join(f"&{k}={v}" for k, v in query.items())
        await page.goto(f"{url}/?lobby={lobby}{more}")
        await page.get_by_test_id("name-input").fill(name)
        return guest

    async def join(self) -> None:
        await self.page.get_by_test_id("join-button").click()
        await self.page.get_by_test_id("leave-button").wait_for()

    async def has_shown(self, name: str, *states: str) -> None:
        """Await that the tile has shown these, one after the other, whatever came between.

        `gone` is no tile.
        """
        await self.page.wait_for_function(
            """([name, wanted]) => {
                 let next = 0;
                 for (const state of window.__seen.states[name] ?? [])
                   if (wanted[next] === state) next++;
                 return next === wanted.length;
               }""",
            arg=[name, states],
        )

    async def shown(self, name: str) -> list[str]:
        """Everything the tile has shown so far; `gone` while there was none."""
        return list(await self.page.evaluate("name => window.__seen.states[name] ?? []", name))

    async def spoken(self) -> set[tuple[str, str]]:
        """Who was seen speaking, and the time that stood there, by captions that were not final yet."""
        return {(who, time) for who, time in await self.page.evaluate("window.__seen.spoken")}

    def tile(self, name: str) -> Any:
        return self.page.locator(f'[data-testid^="tile-"][data-name="{name}"]')

    async def press(self, button: str) -> None:
        await self.page.get_by_test_id(button).click()

    async def sees(self, name: str) -> None:
        """Await that the other's camera moves in their tile."""
        await self.page.wait_for_function(
            """name => [...document.querySelectorAll('[data-name] video')].some(video =>
                 video.closest('[data-name]').dataset.name === name
                 && video.videoWidth > 0 && video.currentTime > .3)""",
            arg=name,
        )

    async def id_of(self, name: str) -> str:
        """The participant's identifier."""
        return str(await self.tile(name).get_attribute("data-testid")).removeprefix("tile-")

    async def caption(self, pattern: str, *, final: bool = True) -> str:
        """Await a caption whose text matches the JavaScript regular expression."""
        found = await self.page.wait_for_function(
            """([pattern, final]) => [...document.querySelectorAll('[data-speaker]')]
                 .filter(e => !final || e.dataset.final === 'true')
                 .map(e => e.dataset.speaker + ': ' + e.innerText)
                 .find(text => new RegExp(pattern, 'is').test(text))""",
            arg=[pattern, final],
        )
        return str(await found.json_value())

    async def say(self, wav: bytes, *, again: bool = False) -> None:
        """Into the microphone, until it has been said, or `again` and again from now on.

        Waits until the agents hear this page.
        """
        await self.page.locator('[data-testid="connection-badge"][data-state="connected"]').wait_for()
        await self.page.evaluate(
            "([wav, again]) => window.__say(wav, again)", [base64.b64encode(wav).decode(), again]
        )

    async def ask(self, wav: bytes, words: str) -> None:
        """Say it until a caption has these words, as people do: a busy machine tears speech apart."""
        captions: list[str] = await self.page.evaluate(CAPTIONS, self.name)
        understood = False
        while not understood:
            before = len(captions)
            await self.page.locator('[data-kind="agent"][data-state="idle"]').wait_for()
            await self.say(wav)
            await self.page.wait_for_function(
                f"([name, before]) => ({CAPTIONS})(name).length > before", arg=[self.name, before]
            )
            captions = await self.page.evaluate(CAPTIONS, self.name)
            understood = any(words in text for text in captions[before:])

    async def listen(self, participant: str | None = None) -> None:
        await self.page.evaluate(CAPTURE, participant)

    async def heard(self, participant: str | None = None) -> NDArray[np.int16]:
        """What was played since `listen` to the same, mono int16 at 16 kHz."""
        webm = base64.b64decode(await self.page.evaluate("key => window.__heard[key]()", participant or ""))
        resampler = AudioResampler("s16", "mono", 16_000)
        with av.open(io.BytesIO(webm), "r", format="matroska") as file:
            frames = [out for frame in file.decode(audio=0) for out in resampler.resample(frame)]
        return np.concatenate([frame.to_ndarray()[0] for frame in frames])

    async def hears(self, participant: str | None = None) -> None:
        """Await that sound was played since `listen` to the same; the browser plays it later than it came."""
        async with asyncio.timeout(GUARD):
            while np.abs(await self.heard(participant)).max() < 1_000:
                await self.page.wait_for_timeout(100)  # nothing tells when it is played
