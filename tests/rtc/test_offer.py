from __future__ import annotations

import re

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
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


FIREFOX = """\
v=0
o=mozilla...THIS_IS_SDPARTA-99.0 3571 0 IN IP4 0.0.0.0
s=-
t=0 0
a=fingerprint:sha-256 FF@
a=group:BUNDLE 0 1
a=ice-options:trickle
a=msid-semantic:WMS *
m=audio 9 UDP/TLS/RTP/SAVPF 109 9 0 8 101
c=IN IP4 0.0.0.0
a=sendonly
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
a=extmap:2/recvonly urn:ietf:params:rtp-hdrext:csrc-audio-level
a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid
a=fmtp:109 maxplaybackrate=48000;stereo=1;useinbandfec=1
a=fmtp:101 0-15
a=ice-pwd:0123456789abcdef0123456789abcdef
a=ice-ufrag:9b5f2a61
a=mid:0
a=msid:{c1} {t1}
a=rtcp-mux
a=rtpmap:109 opus/48000/2
a=rtpmap:9 G722/8000/1
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
a=setup:actpass
a=ssrc:1234567 cname:{c1}
m=audio 0 UDP/TLS/RTP/SAVPF 109 9 0 8 101
c=IN IP4 0.0.0.0
a=bundle-only
a=recvonly
a=fmtp:109 maxplaybackrate=48000;stereo=1;useinbandfec=1
a=fmtp:101 0-15
a=mid:1
a=rtpmap:109 opus/48000/2
a=rtpmap:9 G722/8000/1
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
""".replace("@", ":00" * 31).replace("\n", "\r\n")
"""An offer with `max-bundle` (RFC 9143): only the first section has a transport."""


async def test_a_bundle_only_section_is_not_rejected(pc: RTCPeerConnection) -> None:
    parsed = offer.read_offer(FIREFOX)
    assert [offer.is_rejected(m) for m in parsed.media] == [False, False]
    assert [m.direction for m in parsed.media] == ["sendonly", "recvonly"]
    await pc.setRemoteDescription(RTCSessionDescription(str(parsed), "offer"))
    for transceiver in pc.getTransceivers():
        transceiver.direction = "sendrecv"
    await pc.setLocalDescription(await pc.createAnswer())
    answer = SessionDescription.parse(pc.localDescription.sdp)
    assert [m.direction for m in answer.media] == ["recvonly", "sendonly"]
    assert all(m.port for m in answer.media)


def test_a_stopped_section_of_a_bundle_is_still_rejected() -> None:
    stopped = FIREFOX.replace("BUNDLE 0 1", "BUNDLE 0").replace("a=bundle-only\r\na=recvonly", "a=inactive")
    parsed = offer.read_offer(stopped)
    assert [offer.is_rejected(m) for m in parsed.media] == [False, True]
    assert "a=rtcp-mux" in str(parsed.media[1])  # aiortc needs it nevertheless


@pytest.mark.parametrize("text", ["", "hello", "v=0\r\nm=audio\r\n", "v=0\r\nm=audio 9 X 0\r\n"])
def test_invalid_offers_are_refused(text: str) -> None:
    with pytest.raises(MediaError) as caught:
        offer.read_offer(text)
    assert caught.value.code == "bad_sdp"


async def test_renegotiation_allows_new_sections_but_no_ice_restart_or_recycled_section() -> None:
    text = await browser_offer(1)
    old = offer.read_offer(text)
    section = text[text.index("m=audio") :]
    more = offer.read_offer(text + section.replace("a=mid:0", "a=mid:1"))
    offer.check_renegotiation(old, more)
    with pytest.raises(MediaError, match="restart ICE"):
        offer.check_renegotiation(old, offer.read_offer(text.replace("a=ice-ufrag:", "a=ice-ufrag:z")))
    with pytest.raises(MediaError, match="under another mid"):
        offer.check_renegotiation(old, offer.read_offer(text.replace("a=mid:0", "a=mid:7")))
