from __future__ import annotations

import pytest

from voicebot.rtc.ice_servers.probe import probe


@pytest.mark.parametrize("url", ["turn:a..b", "turn:a..b?transport=tcp", "stun:a..b"])
async def test_an_invalid_host_name_is_an_unknown_host(url: str) -> None:
    found = await probe(url, "u", "p")
    assert (found.outcome, found.detail) == ("unknown_host", "the host name 'a..b' is not known")


@pytest.mark.parametrize("url", ["turn:127.0.0.1:99999", "stun:127.0.0.1:0"])
async def test_an_invalid_port_makes_an_invalid_address(url: str) -> None:
    assert (await probe(url, "u", "p")).outcome == "not_an_address"
