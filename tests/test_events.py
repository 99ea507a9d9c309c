from __future__ import annotations

import typing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from voicebot import events
from voicebot.events import EVENT_TYPES, Event, UserChat, any_event


def test_every_event_class_is_in_the_union() -> None:
    defined = {
        value
        for value in vars(events).values()
        if isinstance(value, type) and issubclass(value, Event) and value is not Event
    }
    assert defined == set(EVENT_TYPES)
    names = [kind.model_fields["type"].default for kind in EVENT_TYPES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("kind", EVENT_TYPES, ids=lambda kind: kind.__name__)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_every_event_survives_json(kind: type[Event], data: st.DataObject) -> None:
    event = data.draw(st.builds(kind, **finite(kind)))
    again = any_event.validate_json(event.model_dump_json())
    assert type(again) is kind
    assert again == event


def finite(kind: type[Event]) -> dict[str, st.SearchStrategy[typing.Any]]:
    """Strategies for what JSON cannot hold (NaN, lone surrogates) or a log does not contain."""
    numbers = st.floats(allow_nan=False, allow_infinity=False)
    text = st.text(st.characters(codec="utf-8"), max_size=20)
    words = st.builds(events.Word, text=text, start=numbers, end=numbers, confidence=st.none() | numbers)
    table: dict[typing.Any, st.SearchStrategy[typing.Any]] = {
        float: numbers,
        float | None: st.none() | numbers,
        str: text,
        str | None: st.none() | text,
        list[events.Word]: st.lists(words, max_size=3),
        list[str]: st.lists(text, max_size=3),
        dict[str, typing.Any]: st.dictionaries(text, text | st.integers() | st.booleans(), max_size=3),
        int: st.integers(0, 2**53),
        int | None: st.none() | st.integers(0, 2**53),
        bool: st.booleans(),
    }
    hints = typing.get_type_hints(kind)
    return {name: table[hints[name]] for name in kind.model_fields if name != "type" and hints[name] in table}


def test_events_are_frozen_and_keep_what_newer_versions_add() -> None:
    event = any_event.validate_python({"type": "user.chat", "text": "hi", "mood": "good"})
    assert event.model_dump()["mood"] == "good"
    with pytest.raises(ValidationError):
        event.seq = 3


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_json_lacks_become_null(value: float) -> None:
    assert '"t":null' in UserChat(text="x", t=value).model_dump_json()


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"user\.shout"):
        any_event.validate_python({"type": "user.shout", "text": "hi"})
