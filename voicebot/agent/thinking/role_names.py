"""Recognise names that a language model could take for a role, however they are written."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import groupby, islice

from voicebot.lobby.lookalikes import INVISIBLE, latin, skeleton, words_spelled

ROLES = {
    # in prompts and in the room
    "system", "sys", "developer", "assistant", "user", "tool", "tools", "function", "human", "ai", "model",
    "instruction", "instructions", "prompt", "message", "notice", "command", "admin", "administrator",
    "moderator", "operator", "root", "sudo", "openai", "chatgpt", "gpt", "llm", "room", "earlier", "handed",
    # German, French, Spanish, Italian; a word matches with and without its accents
    "assistent", "assistentin", "entwickler", "benutzer", "nutzer", "werkzeug", "mensch", "modell", "ki",
    "anweisung", "anweisungen", "nachricht", "hinweis", "raum", "verwalter",
    "syst\u00e8me", "assistante", "d\u00e9veloppeur", "utilisateur", "outil", "humain", "mod\u00e8le", "ia",
    "consigne", "consignes", "salle", "mod\u00e9rateur", "administrateur",
    "sistema", "asistente", "desarrollador", "usuario", "herramienta", "humano", "modelo", "mensaje",
    "instrucci\u00f3n", "instrucciones", "sala", "moderador", "administrador",
    "assistente", "sviluppatore", "utente", "strumento", "umano", "messaggio", "istruzione", "istruzioni",
    "stanza", "moderatore", "amministratore",
    # Russian, Chinese, Japanese, Korean, Arabic, Hindi
    "\u0441\u0438\u0441\u0442\u0435\u043c\u0430", "\u0430\u0441\u0441\u0438\u0441\u0442\u0435\u043d\u0442",
    "\u043f\u043e\u043b\u044c\u0437\u043e\u0432\u0430\u0442\u0435\u043b\u044c",
    "\u0440\u0430\u0437\u0440\u0430\u0431\u043e\u0442\u0447\u0438\u043a",
    "\u0430\u0434\u043c\u0438\u043d\u0438\u0441\u0442\u0440\u0430\u0442\u043e\u0440",
    "\u043c\u043e\u0434\u0435\u0440\u0430\u0442\u043e\u0440", "\u043a\u043e\u043c\u043d\u0430\u0442\u0430",
    "\u7cfb\u7edf", "\u7cfb\u7d71", "\u52a9\u624b", "\u7528\u6237", "\u7ba1\u7406\u5458", "\u623f\u95f4",
    "\u30b7\u30b9\u30c6\u30e0", "\u30a2\u30b7\u30b9\u30bf\u30f3\u30c8", "\u30e6\u30fc\u30b6\u30fc",
    "\u7ba1\u7406\u8005", "\u90e8\u5c4b", "\uc2dc\uc2a4\ud15c", "\uc0ac\uc6a9\uc790", "\uad00\ub9ac\uc790",
    "\u0646\u0638\u0627\u0645", "\u0938\u093f\u0938\u094d\u091f\u092e",
}  # fmt: skip
"""A name is a role if one of its words is one of these, or several of them run together."""
WITHIN = {
    "system", "sistema", "assistant", "assistent", "asistent", "developer", "administrator", "moderator",
    "instruction", "openai", "chatgpt",
}  # fmt: skip
"""These count inside a word, too, and so do those of other scripts, because some scripts have no spaces."""
PERSONS = {"al"}
"""Real names that look like a role."""
PARTS = {"Ai", "Ki", "Ia"}
"""Parts of real names in this spelling, beside other parts: Ai Weiwei, Ban Ki-moon."""

LONGEST = 200
"""Code points of a name that are examined; lobbies take 40 graphemes, which may have several each."""

_ROLES = frozenset(map(skeleton, ROLES))
_WITHIN = {*map(skeleton, WITHIN), *(role for role in _ROLES if not role.isascii())}
_SMALL = {"the", "of", "from", "by", "to", "for", "in", "my", "your", "new", "end", "begin"}
_ANY_SMALL = "|".join(sorted(map(skeleton, _SMALL), reverse=True))
_ANY_ROLE = "|".join(sorted((role for role in _ROLES if len(role) > 3), reverse=True))
_TOGETHER = re.compile(f"(?:{_ANY_SMALL})*(?:{_ANY_ROLE})(?:{_ANY_ROLE}|{_ANY_SMALL})*")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_BETWEEN = re.compile(r"[^\w@$!|\u20ac]+|_+")
_NUMBERING = "0123456789@$!|"


@lru_cache(maxsize=1024)
def is_role(name: str) -> bool:
    """Whether a word of the name is one of `ROLES`, also spelled out, run together or imitated."""
    words = [w for w in _BETWEEN.split(_CAMEL.sub(" ", _plain(name))) if w and w.casefold() not in PERSONS]
    if any(word.isalpha() and word not in PARTS and word.casefold() not in _SMALL for word in words):
        words = [word for word in words if word not in PARTS]
    joined = "".join(words)
    for single, group in groupby(words, lambda word: len(word) == 1):
        for word in ["".join(group)] if single else group:
            # "5ystem" needs its digit, "system2" must lose it
            for spelling in {word, word.strip(_NUMBERING)}:
                if not _ROLES.isdisjoint(words_spelled(spelling)):
                    return True
    return any(
        _TOGETHER.fullmatch(shape) or any(role in shape for role in _WITHIN)
        for shape in words_spelled(joined)
    )


def _plain(name: str) -> str:
    name = unicodedata.normalize("NFKC", name)
    seen = (c for c in name if c not in INVISIBLE and unicodedata.category(c)[0] not in "CM")
    return "".join(map(latin, islice(seen, LONGEST)))
