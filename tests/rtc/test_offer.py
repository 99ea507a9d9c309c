from __future__ import annotations

import re

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.sdp import SessionDescription

from voicebot.errors import MediaError
from voicebot.rtc import offer


async def browser_offer(sections: int) -> str:
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    for _ in range(sections):
        pc.addTransceiver("audio", direction="recvonly")
    await pc.setLocalDescription(await pc.createOffer())
    text = pc.localDescription.sdp
    await pc.close()
    return text


async def test_only_opus_is_kept() -> None:
    parsed = offer.read_offer(await browser_offer(1))
    assert [c.name for c in parsed.media[0].rtp.codecs] == ["opus"]
    assert "PCMU" not in str(parsed)


async def test_a_rejected_section_is_made_readable_and_rejected_again() -> None:
    text = await browser_offer(2)
    head, first, second = re.split(r"(?=^m=)", text, flags=re.MULTILINE)
    second = re.sub(r"^m=audio \d+", "m=audio 0", second)
    second = "".join(
        line
        for line in second.splitlines(keepends=True)
        if not line.startswith(("a=ice", "a=finger", "a=setup"))
    )
    parsed = offer.read_offer(head + first + second)
    assert [offer.is_rejected(m) for m in parsed.media] == [False, True]
    assert parsed.media[1].ice == parsed.media[0].ice
    answered = SessionDescription.parse(offer.reject_sections(text, {"1"}))
    assert answered.media[0].port != 0
    assert answered.media[1].port == 0
    assert answered.group[0].items == ["0"]


@pytest.mark.parametrize("text", ["", "hello", "v=0\r\nm=audio\r\n", "v=0\r\nm=audio 9 X 0\r\n"])
def test_what_is_no_offer_is_refused(text: str) -> None:
    with pytest.raises(MediaError) as caught:
        offer.read_offer(text)
    assert caught.value.code == "bad_sdp"


async def test_renegotiation_takes_new_sections_but_no_ice_restart_and_no_recycling() -> None:
    text = await browser_offer(1)
    old = offer.read_offer(text)
    section = text[text.index("m=audio") :]
    more = offer.read_offer(text + section.replace("a=mid:0", "a=mid:1"))
    offer.check_renegotiation(old, more)
    with pytest.raises(MediaError, match="restart ICE"):
        offer.check_renegotiation(old, offer.read_offer(text.replace("a=ice-ufrag:", "a=ice-ufrag:z")))
    with pytest.raises(MediaError, match="under another mid"):
        offer.check_renegotiation(old, offer.read_offer(text.replace("a=mid:0", "a=mid:7")))
