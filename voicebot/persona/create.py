"""Creates a persona from one line of text, offline and deterministically."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from dataclasses import replace

from voicebot.errors import VoicebotError
from voicebot.persona.gender import HE, SHE, gender_of
from voicebot.persona.persona import Persona
from voicebot.persona.portrait import data_url, draw
from voicebot.tts.base import VoiceStyle

MAX_NAME = 40
NAMES = (
    "Ada", "Bruno", "Clara", "Dario", "Edith", "Felix", "Greta", "Hugo", "Iris", "Jasper", "Kira", "Leon",
    "Mira", "Nestor", "Olive", "Pablo", "Quinn", "Rosa", "Silas", "Thea", "Ursula", "Victor", "Wanda",
    "Xenia", "Yorick", "Zelda",
)  # fmt: skip
NAMED = re.compile(r"\b(?:named|called|name is|name's)\s+([A-Z][\w'\u2019-]*(?:\s+[A-Z][\w'\u2019-]*){0,2})")
LEADING = re.compile(
    r"^\s*([A-Z][\w'\u2019-]*(?:\s+[A-Z][\w'\u2019-]*){0,2})\s*(?:,|:|\bis\b|[\u2013\u2014-]\s)\s*(?=\S)"
)
NOT_NAMES = {"A", "An", "The", "You", "I", "He", "She", "It", "They", "This", "My", "Our", "Someone"}
MOODS = (
    (("grumpy", "old", "gruff", "stern", "tired", "gloomy", "retired"), 0.92, -2.0),
    (("cheerful", "young", "excited", "energetic", "child", "bubbly", "happy"), 1.08, 2.0),
    (("calm", "wise", "patient", "gentle", "monk", "soothing"), 0.95, -1.0),
)


def create_persona(
    description: str,
    *,
    name: str | None = None,
    voice: VoiceStyle | str | None = None,
    taken: Collection[Persona] = (),
    language: str = "en",
) -> Persona:
    """Make a persona from a description such as "a grumpy lighthouse keeper".

    Args:
        description: One or a few lines. A name in it ("Ada, a ...", "... named Ada") becomes the name.
        name: The name; it takes precedence over one in the description.
        voice: The name of a TTS voice, or a whole style; by default a voice that differs from those
            of `taken`.
        taken: The personas already in the lobby; a second "Ada" becomes "Ada 2", and their
            voices are avoided.

    Raises:
        VoicebotError: the description is empty or too long, or the name is too long.
    """
    text = " ".join(description.split())
    if not text:
        raise VoicebotError(
            "A persona needs a description.",
            hint='For example: "a grumpy lighthouse keeper".',
            code="persona",
        )
    if len(text) > 2000:
        raise VoicebotError(
            f"The description is too long ({len(text)} characters).", hint="Use at most 2000.", code="persona"
        )
    seed = hashlib.sha256(text.encode()).hexdigest()
    name = _free(_checked(name) if name is not None else name_in(text) or _fitting(text, seed, taken), taken)
    persona = Persona(
        name=name,
        character=text,
        greeting=f"Hello, I am {name}. {_article_of(text, name)} What would you like to talk about?".replace(
            "  ", " "
        ),
        voice=_voice(text, seed, voice, taken),
        language=language,
    )
    return persona.model_copy(update={"portrait": data_url(draw(persona.hash, text, gender_of(name, text)))})


def adapted(
    persona: Persona, name: str | None, voice: VoiceStyle | str | None, taken: Collection[Persona] = ()
) -> Persona:
    """Return the persona with another name or voice; see `create_persona` for the arguments.

    Without a name and a voice, it changes only as far as it must differ from those of `taken`.

    Raises:
        VoicebotError: the name is empty or too long.
    """
    persona = renamed(persona, _free(_checked(name) if name is not None else persona.name, taken))
    style = persona.voice
    if isinstance(voice, VoiceStyle):
        style = voice
    elif voice:
        style = replace(style, voice=voice)
    elif not style.voice and any(style.seed == p.voice.seed for p in taken):
        style = replace(style, seed=_next_seed(taken))
    return persona.model_copy(update={"voice": style}) if style != persona.voice else persona


def renamed(persona: Persona, name: str) -> Persona:
    """Return the persona with another name, which its greeting uses, too."""
    if name == persona.name:
        return persona
    own = rf"(?<!\w){re.escape(persona.name)}(?!\w)"
    return persona.model_copy(
        update={"name": name, "greeting": re.sub(own, lambda _: name, persona.greeting)}
    )


def name_in(text: str) -> str | None:
    """Return the persona's name in a description, or None."""
    if found := NAMED.search(text):
        return found.group(1)[:MAX_NAME]
    found = LEADING.match(text)
    if found and found.group(1).split()[0] not in NOT_NAMES:
        return found.group(1)[:MAX_NAME]
    return None


def _fitting(text: str, seed: str, taken: Collection[Persona]) -> str:
    pool = [n for n in NAMES if not HE.search(text) or gender_of(n) == "masculine"]
    if SHE.search(text) and not HE.search(text):
        pool = [n for n in NAMES if gender_of(n) != "masculine"]
    used = {p.name.casefold() for p in taken}
    start = int(seed[:8], 16) % len(pool)
    ordered = pool[start:] + pool[:start]
    return next((n for n in ordered if n.casefold() not in used), ordered[0])


def _checked(name: str) -> str:
    name = " ".join(name.split())
    if not 0 < len(name) <= MAX_NAME:
        raise VoicebotError(
            f"A name has 1 to {MAX_NAME} characters, not {len(name)}.", hint="Choose another.", code="persona"
        )
    return name


def _free(name: str, taken: Collection[Persona]) -> str:
    used = {p.name.casefold() for p in taken}
    number, free = 2, name
    while free.casefold() in used:
        end = f" {number}"
        free, number = name[: MAX_NAME - len(end)] + end, number + 1
    return free


def _article_of(text: str, name: str) -> str:
    """Return a sentence such as "I am a grumpy lighthouse keeper.", or "" without such a phrase."""
    rest = LEADING.sub("", text, count=1) if text.startswith(name) else text
    first = re.split(r"[.;!?]|, who |, you ", rest, maxsplit=1)[0].strip()
    if re.match(r"(?i)(an?|the)\s", first) and len(first.split()) <= 10 and not NAMED.search(first):
        return f"I am {first[0].lower()}{first[1:]}."
    return ""


def _voice(text: str, seed: str, voice: VoiceStyle | str | None, taken: Collection[Persona]) -> VoiceStyle:
    if isinstance(voice, VoiceStyle):
        return voice
    number = _next_seed(taken) if taken else int(seed[8:10], 16) % 8
    words = text.lower().split()
    rate, pitch = next(
        ((r, p) for marks, r, p in MOODS if any(w.strip(".,;:!?") in marks for w in words)),
        (1.0, int(seed[10:12], 16) % 3 - 1.0),
    )
    return replace(VoiceStyle(), voice=voice or "", rate=rate, pitch=pitch, seed=number)


def _next_seed(taken: Collection[Persona]) -> int:
    """Return the seed after those of `taken`: consecutive seeds give different voices while there are any."""
    return max(p.voice.seed for p in taken) + 1
