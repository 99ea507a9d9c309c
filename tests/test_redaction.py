"""What is shown of an address, and what is taken out of a text."""

from __future__ import annotations

import base64
import html
import json
import logging
import secrets
from urllib.parse import quote

import pytest

from voicebot.errors import VoicebotError, one_line
from voicebot.events import ErrorEvent
from voicebot.logs import guard
from voicebot.redaction import (
    keep,
    keep_address,
    keep_headers,
    keep_named,
    public,
    redacted,
    shown,
    unambiguous,
)


@pytest.mark.parametrize(
    ("address", "seen"),
    [
        ("http://localhost:11434/v1", "http://localhost:11434/v1"),
        ("https://api.example.org/openai/v1beta/", "https://api.example.org/openai/v1beta/"),
        ("https://[2001:db8::1]:8443/v1", "https://[2001:db8::1]:8443/v1"),
        ("redis://localhost:6379/0", "redis://localhost:6379/0"),
        ("turn:relay.example.org:3478?transport=udp", "turn:relay.example.org:3478?transport=udp"),
        ("turns:relay.example.org", "turns:relay.example.org"),
        ("localhost:11434", "localhost:11434"),
        ("sqlite", "sqlite"),
        ("", ""),
        # what is left out
        ("http://user:geheim@h/v1?key=geheim#geheim", "http://h/v1"),
        ("http://geheim@h/v1", "http://h/v1"),
        ("HTTP://User:Geheim@h/V1", "HTTP://h/V1"),
        ("https://hooks.example.org/services/T0/geheim", "https://hooks.example.org/…/…/…"),
        ("https://h/geheim/v1", "https://h/…/v1"),
        ("https://h/v1;geheim", "https://h/…"),
        ("rediss://h/0?password=geheim", "rediss://h/0"),
        ("turn:user:geheim@h:3478?transport=tcp", "turn:h:3478?transport=tcp"),
        ("turn:h?transport=udp&password=geheim", "turn:h"),
        # written badly
        ("user:geheim@h:1", "h:1"),
        ("http://user:ge@heim@h/v1", "http://h/v1"),
        ("http://user:ge/heim@h/v1", "http://h/v1"),
        ("http://user:ge?heim@h/v1", "http://h/v1"),
        ("redis://:ge#heim@h:6379/0", "redis://h:6379/0"),
        ("http://user:ge[heim@h/v1", "http://h/v1"),
        ("http://user:geheim", "http://…"),
        ("http:/user:geheim@h", "h"),
        ("sk-proj-Geheim0123456789", "…"),
        ("geheim-0", "…"),
    ],
)
def test_the_shown_parts_of_an_address(address: str, seen: str) -> None:
    assert shown(address) == seen


def test_a_public_address_keeps_its_path() -> None:
    assert public("https://user:geheim@h.example/voice/a?b=geheim") == "https://h.example/voice/a"


@pytest.mark.parametrize(
    "address", ["http://a:b/c@h", "redis://:1#2@h", "http://a:1/b@h", "http://a[b@h", "http://h?a@b"]
)
def test_an_address_whose_password_could_be_taken_for_a_port_is_ambiguous(address: str) -> None:
    assert not unambiguous(address)
    assert unambiguous("http://a:b%2Fc@h:1/v1?a=b")


@pytest.mark.parametrize(
    "text", ["s3cr3t", "correct horse battery", "/a@b:c'd\"e<f>&%g\\h\nß", "p%40ssw0rd/", "ÄÖÜäöü12"]
)
def test_a_secret_is_found_in_every_encoding(text: str) -> None:
    keep(text)
    encoded = base64.b64encode(text.encode()).decode()
    for form in (
        text,
        quote(text),
        quote(text, safe=""),
        quote(text, safe="").lower() if text.islower() else quote(text),
        json.dumps(text),
        json.dumps(text, ensure_ascii=False),
        html.escape(text),
        repr(text),
        encoded,
        encoded.rstrip("="),
    ):
        clean = redacted(f"before {form} after")
        assert text not in clean
        assert form.strip("'\"") not in clean
        assert clean.startswith("before ")
        assert clean.endswith(" after")


def test_an_address_is_redacted_whole_and_in_parts() -> None:
    password, segment, key = (f"pw/{secrets.token_hex(6)}", f"t-{secrets.token_hex(6)}", secrets.token_hex(6))
    address = f"http://ann:{quote(password, safe='')}@llm.example:9/{segment}/v1?key={key}"
    keep_address(address)
    basic = base64.b64encode(f"ann:{password}".encode()).decode()
    said = f"GET {address} {password} {basic} /{segment}/v1/models {key} http://llm.example:9/{segment}/v1/models"
    clean = redacted(said)
    assert clean.startswith("GET http://llm.example:9/…/v1 ")
    assert clean.endswith(" http://llm.example:9/…/v1/models")
    for secret in (password, quote(password, safe=""), basic.rstrip("="), segment, key):
        assert secret not in clean


def test_short_parts_of_an_address_are_redacted_only_within_the_address() -> None:
    keep_address("http://me:pw@tiny.example/hi/v1?k=v")
    assert (
        redacted("no http://me:pw@tiny.example/hi/v1?k=v for me, hi")
        == "no http://tiny.example/…/v1 for me, hi"
    )


def test_ordinary_words_and_model_names_are_not_redacted() -> None:
    keep("none")
    keep("1234")
    keep_address("redis://default@h/0")
    keep_address("https://h/openai/deployments/gpt-4o-mini?api-version=2024-02-01")
    said = "none of the 1234 default models is gpt-4o-mini, says 2024-02-01"
    assert redacted(said) == said


@pytest.mark.parametrize(
    "word",
    ["lm-studio", "sk-no-key-required", "not-needed", "your-api-key", "xxxxxxxx", "voicebot", "localhost"],
)
def test_placeholder_keys_are_not_redacted(word: str) -> None:
    keep(word)
    keep_address(f"redis://default:{word}@h/0")
    assert redacted(f"{word} said so") == f"{word} said so"


@pytest.mark.parametrize(
    "address", ["https://h/v1?{}", "https://h/v1#{}", "https://h/v1;key={}", "https://h/v1;{}/x"]
)
def test_secrets_in_unnamed_parts_of_an_address_are_redacted(address: str) -> None:
    secret = secrets.token_hex(8)
    keep_address(address.format(secret))
    assert redacted(f"got {secret} and {secret}=") == "got *** and ***="


def test_secrets_in_environment_variables_and_headers_are_redacted() -> None:
    made = {
        name: secrets.token_hex(8) for name in ("SPEECH_API_KEY", "HF_TOKEN", "otel", "proxy", "mcp", "plain")
    }
    keep_named(
        {name: made[name] for name in ("SPEECH_API_KEY", "HF_TOKEN")}
        | {"OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{made['otel']},a=b"}
        | {"https_proxy": f"http://me:{made['proxy']}@proxy.example:3128", "COLOUR": made["plain"]}
    )
    keep_headers({"Authorization": f"Bearer {made['mcp']}", "Accept": "application/json"})
    clean = redacted(" ".join(made.values()) + " application/json")
    assert clean == f"*** *** *** *** *** {made['plain']} application/json"


def test_errors_and_events_hold_no_secret() -> None:
    secret = secrets.token_hex(8)
    keep(secret)
    error = VoicebotError(f"The server said {secret}.", hint=f"Not {secret}.")
    assert (error.message, error.hint) == ("The server said ***.", "Not ***.")
    assert secret not in f"{error!r} {error}"
    assert one_line(ValueError("x" * 290 + secret)) == "x" * 290 + "***"  # not half of it
    assert ErrorEvent(code="model", message=f"no {secret}").message == "no ***"


def test_the_log_of_a_notebook_holds_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    secret = secrets.token_hex(8)
    keep(secret)
    guard()
    other = logging.getLogger("some.library")
    other.warning("HTTP Request: %s %d", f"http://h/?key={secret}", 200)
    try:
        raise ValueError(secret)
    except ValueError:
        other.exception("It failed")
    other.warning("nothing to hide in %s", "this")
    assert secret not in caplog.text
    assert "HTTP Request: http://h/?key=*** 200" in caplog.text
    assert "ValueError: ***" in caplog.text
    assert caplog.records[-1].args == ("this",)  # records that hold none are as they were
