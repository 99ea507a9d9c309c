from __future__ import annotations

import traceback
from pathlib import Path

import pytest
from pydantic import ValidationError

from voicebot.errors import SettingsError
from voicebot.settings import Settings, is_loopback, load_settings


def test_without_settings_the_defaults_apply() -> None:
    settings = load_settings(None)
    assert (settings.host, settings.port, settings.stt_model) == ("127.0.0.1", 8000, "auto")
    assert settings.openai_api_key.get_secret_value() == ""


def test_a_language_is_a_code() -> None:
    assert load_settings(None, stt_language="DE").stt_language == "de"
    with pytest.raises(SettingsError, match=r"STT_LANGUAGE='german': .*such as en or de"):
        load_settings(None, stt_language="german")


def test_empty_lines_mean_not_set(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_text("PORT=\nSTT_MODEL=\nOPENAI_BASE_URL=\nDATA_DIR=\nLLM_TIMEOUT=\n# PORT=9\n\n")
    assert load_settings(env) == load_settings(None)


def test_arguments_override_the_environment_which_overrides_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = tmp_path / ".env"
    env.write_text("PORT=1\nHOST=file\nOPENAI_MODEL=file\nSOMETHING_ELSE=ignored\n")
    monkeypatch.setenv("PORT", "2")
    monkeypatch.setenv("HOST", "environment")
    settings = load_settings(env, port=3)
    assert (settings.port, settings.host, settings.openai_model) == (3, "environment", "file")


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("PORT=eighty", "PORT='eighty'"),
        ("PORT=70000", "PORT='70000'"),
        ("OPENAI_BASE_URL=localhost:11434", "OPENAI_BASE_URL='localhost:11434'"),
        ("LOG_LEVEL=loud", "LOG_LEVEL='loud'"),
        ("LLM_TIMEOUT=0", "LLM_TIMEOUT='0'"),
        ("LLM_TIMEOUT=nan", "LLM_TIMEOUT='nan'"),
        ("ENDPOINT_DELAY=9", "ENDPOINT_DELAY='9'"),
        ("PUBLIC_URL=voice.example.org", "such as https://"),
        ("PUBLIC_URL=voice.example.org:8000", "such as https://"),
        ("PUBLIC_URL=https://[voice", "such as https://"),
        ("LLM_RETRIES=-1", "LLM_RETRIES='-1'"),
    ],
)
def test_a_wrong_value_is_named_with_its_value_and_file(tmp_path: Path, line: str, named: str) -> None:
    env = tmp_path / ".env"
    env.write_text(line + "\n")
    with pytest.raises(SettingsError) as caught:
        load_settings(env)
    assert named in caught.value.message
    assert str(env) in caught.value.hint


def test_all_wrong_values_are_named_at_once(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_text("PORT=x\nLOG_LEVEL=y\n")
    with pytest.raises(SettingsError, match=r"PORT.*LOG_LEVEL"):
        load_settings(env)


def test_an_unknown_keyword_is_refused_with_the_nearest_setting() -> None:
    with pytest.raises(SettingsError, match="'prot'") as caught:
        load_settings(None, prot=9000)
    assert caught.value.hint == "Did you mean port?"
    with pytest.raises(SettingsError) as caught:
        load_settings(None, zzzz=1)
    assert "coturn_server" in caught.value.hint


def test_a_wrong_argument_is_not_blamed_on_the_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="PORT=99999") as caught:
        load_settings(tmp_path / ".env", port=99999)
    assert str(tmp_path) not in caught.value.hint


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_bytes(b"PORT=\xff\xfe")
    with pytest.raises(SettingsError) as caught:
        load_settings(env)
    assert str(env) in caught.value.message


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.2", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("192.168.1.5", False)],
)
def test_loopback_addresses_are_recognised(host: str, local: bool) -> None:
    assert is_loopback(host) is local


def test_secrets_are_not_shown() -> None:
    settings = load_settings(None, openai_api_key="canary", coturn_secret="canary")
    assert "canary" not in repr(settings) + str(settings) + settings.model_dump_json()


SECRET_ADDRESSES = {
    "openai_base_url": "https://user:canary@llm.example/canary-path/v1?key=canary",
    "store": "rediss://user:canary@redis.example:6380/0?password=canary",
    "coturn_server": "turn:user:canary@turn.example:3478?transport=udp, turns:canary@turn.example",
    "public_url": "https://user:canary@voice.example/room?key=canary#canary",
}


def test_addresses_are_printed_and_dumped_without_their_secrets() -> None:
    settings = load_settings(None, **SECRET_ADDRESSES)
    for text in (repr(settings), str(settings), str(settings.model_dump()), settings.model_dump_json()):
        assert "canary" not in text
        for part in ("https://llm.example/…/v1", "rediss://redis.example:6380/0", "turns:turn.example"):
            assert part in text
    copy = settings.model_copy(update={"store": "redis://:canary@other.example"})
    assert "canary" not in repr(copy)
    assert settings.openai_base_url == SECRET_ADDRESSES["openai_base_url"]  # for who connects
    assert settings.public_url == "https://voice.example/room"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            (name, value.replace("://", "ps://"))
            for name, value in SECRET_ADDRESSES.items()
            if "://" in value
        ),
        ("openai_base_url", "user:canary@llm.example/v1"),
        ("openai_base_url", "sk-canary-0123456789"),
        ("openai_base_url", "http://user:can/ary@llm.example/v1"),
        ("openai_base_url", "http://user:can#ary@llm.example/v1"),
        ("openai_base_url", "http://user:1?canary@llm.example/v1"),
        ("store", "user:canary@redis.example"),
        ("store", "canary-0"),
        ("public_url", "user:canary@voice.example"),
        ("public_url", "https://user:canary@[voice"),
        ("port", "sk-proj-canary-0123456789-0123456789-0123456789"),
        ("log_level", "redis://:canary@redis.example"),
        ("mcp_config", '{"mcpServers": {"a": {"url": "https://h/canary"}}}'),
        ("coturn_secret", ["canary"]),
    ],
)
def test_the_error_for_a_wrong_setting_contains_no_secret(name: str, value: object) -> None:
    with pytest.raises(SettingsError, match=name.upper()) as caught:
        load_settings(None, **{name: value})
    said = "".join(traceback.format_exception(caught.value))
    with pytest.raises(ValidationError) as unread:
        Settings(_env_file=None, **{name: value})  # type: ignore[call-arg, arg-type]
    said += "".join(traceback.format_exception_only(unread.value))
    assert "canary" not in said
    assert "can/ary" not in said
    assert "'can'" not in said  # which a library took for a port


def test_values_are_normalised() -> None:
    settings = load_settings(None, openai_base_url="http://localhost:1/v1/", log_level="debug")
    assert (settings.openai_base_url, settings.log_level) == ("http://localhost:1/v1", "DEBUG")


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        load_settings(None).port = 1
