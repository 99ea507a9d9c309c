"""A server to run in a process of its own. Only its models and media plane are not real."""

from __future__ import annotations

import asyncio
import signal

from voicebot.agent.models.models import Models
from voicebot.llm.offline import OfflineLLM
from voicebot.server.hosting import Hosting
from voicebot.server.net.limits import Limits
from voicebot.settings import load_settings
from voicebot.testing.media import FakeMediaPlane
from voicebot.testing.models import ScriptedSTT, ScriptedTTS


async def main() -> None:
    """Serve until SIGTERM."""
    settings = load_settings(None)
    models = Models(settings, stt=ScriptedSTT(), tts=ScriptedTTS(), llm=OfflineLLM())
    hosting = Hosting(settings, FakeMediaPlane(), models=models, limits=Limits(burst=1000))
    await hosting.start()
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    await stopping.wait()
    await hosting.stop()


if __name__ == "__main__":
    asyncio.run(main())
