from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from voicebot.errors import SettingsError
from voicebot.settings import is_loopback, load_settings


def test_nothing_set_is_the_defaults() -> None:
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


def test_arguments_win_over_the_environment_and_that_over_the_file(
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


def test_a_keyword_that_is_no_setting_is_refused_with_the_nearest_one() -> None:
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
def test_which_addresses_only_this_machine_reaches(host: str, local: bool) -> None:
    assert is_loopback(host) is local


def test_secrets_are_not_shown() -> None:
    settings = load_settings(None, openai_api_key="canary", coturn_secret="canary")
    assert "canary" not in repr(settings) + str(settings) + settings.model_dump_json()


def test_values_are_tidied() -> None:
    settings = load_settings(None, openai_base_url="http://localhost:1/v1/", log_level="debug")
    assert (settings.openai_base_url, settings.log_level) == ("http://localhost:1/v1", "DEBUG")


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        load_settings(None).port = 1
