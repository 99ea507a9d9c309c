"""Checks a browser's offer to an agent host, and prepares it for aiortc."""

from __future__ import annotations

from aiortc.sdp import MediaDescription, SessionDescription, grouplines

from voicebot.errors import MediaError

_NEW_EPOCH = "Start a negotiation with a larger epoch."
_AS_IS = "Send the offer as the browser made it; is the page older than the server? Reload it."


def read_offer(text: str) -> SessionDescription:
    """Parse an offer and keep only Opus in its audio sections.

    aiortc needs a transport in each section, and takes every port 0 for a rejection. So bundled sections
    that share the transport of the first one (RFC 9143: Firefox writes port 0 and `a=bundle-only` there)
    get a copy of it, and a port. Rejected sections get a copy, too, and `reject_sections` rejects them
    again in the answer.

    Raises:
        MediaError: it is not SDP, or has an audio section without Opus.
    """
    try:
        offer = SessionDescription.parse(text)
    except Exception as error:  # aiortc's parser asserts, indexes and converts
        raise MediaError(f"The offer is not readable SDP: {error!r}.", hint=_AS_IS, code="bad_sdp") from error
    if not offer.media:
        raise MediaError("The offer has no media section.", hint=_AS_IS, code="bad_sdp")
    offer.type = "offer"
    whole = next((m for m in offer.media if _has_transport(m)), None)
    if whole is None:
        raise MediaError(
            "The offer has no ICE credentials or no DTLS fingerprint.", hint=_AS_IS, code="bad_sdp"
        )
    bundled = {mid for group in offer.group if group.semantic == "BUNDLE" for mid in group.items}
    for media, lines in zip(offer.media, grouplines(text)[1], strict=True):
        in_bundle = media.rtp.muxId in bundled
        if in_bundle and "a=bundle-only" in lines:
            media.port = whole.port
        if is_rejected(media):
            media.direction = "inactive"
        if is_rejected(media) or (in_bundle and not _has_transport(media)):
            media.ice, media.dtls, media.rtcp_mux = whole.ice, whole.dtls, True
        if media.rtcp_mux and media.rtcp_port is None:
            media.rtcp_port = media.port or whole.port  # without one aiortc does not write a=rtcp-mux
        if media.kind == "audio":
            codecs = [c for c in media.rtp.codecs if c.mimeType.lower() == "audio/opus"]
            if not codecs and not is_rejected(media):
                raise MediaError(
                    "The offer has an audio section without Opus.",
                    hint="Every browser with WebRTC supports Opus, so do not filter codecs.",
                    code="no_opus",
                )
            if codecs:
                media.rtp.codecs = codecs
                media.fmt = [c.payloadType for c in codecs]
    return offer


def _has_transport(media: MediaDescription) -> bool:
    return bool(media.ice and media.ice.usernameFragment and media.dtls and media.dtls.fingerprints)


def is_rejected(media: MediaDescription) -> bool:
    """Whether a section is rejected (port 0)."""
    return media.port == 0


def mids(description: SessionDescription) -> list[str]:
    """The mids of all sections, in order."""
    return [media.rtp.muxId for media in description.media]


def reject_sections(answer: str, rejected: set[str]) -> str:
    """The answer with the sections of these mids rejected (port 0, and not in the bundle)."""
    if not rejected:
        return answer
    parsed = SessionDescription.parse(answer)
    for media in parsed.media:
        if media.rtp.muxId in rejected:
            media.port = 0
    for group in parsed.group:
        group.items = [mid for mid in group.items if mid not in rejected]
    return str(parsed)


def check_renegotiation(old: SessionDescription, new: SessionDescription) -> None:
    """Refuse changes that aiortc would silently get wrong on an existing connection.

    Raises:
        MediaError: an ICE restart, or a section that is used again under another mid.
    """
    if _ufrag(old) != _ufrag(new):
        raise MediaError("An agent host cannot restart ICE.", hint=_NEW_EPOCH, code="ice_restart")
    if mids(new)[: len(old.media)] != mids(old):
        raise MediaError(
            "A media section was used again under another mid.",
            hint="Set a transceiver that is not needed to inactive instead of stopping it. " + _NEW_EPOCH,
            code="recycled_section",
        )


def _ufrag(description: SessionDescription) -> str | None:
    return next((m.ice.usernameFragment for m in description.media if m.ice and not is_rejected(m)), None)
