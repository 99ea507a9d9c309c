"""Removes secrets from texts and addresses.

Whatever reads a secret (settings, environment, MCP configuration) passes it to a `keep` function. Every
text that leaves the process in an error, an event or a log goes through `redacted`. That is the second line
of defence: our own addresses go through `shown` first.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

HIDDEN = "***"
"""Replaces a secret in a text."""
LEFT_OUT = "…"
"""Replaces a part of an address that could be secret."""
ESCAPES = "in a password or a query write %40 for @, %2F for /, %23 for #, %3F for ? and %3A for a colon"
SURE = 8
"""Secrets of at least this length are found inside words, too; shorter ones only as whole words."""

_HEAD = re.compile(r"[a-z][a-z0-9+.-]*://|(?:stun|turn)s?:", re.IGNORECASE)
_HOST = re.compile(r"(?:(?:\[[0-9a-f:.%]+\]|[^\s:@/?#\\\[\]]+)(?::\d{0,5})?)?", re.IGNORECASE)
_BARE_HOST = re.compile(
    r"(?:[a-z]{1,10}|[a-z\d-]{1,20}(?:\.[a-z\d-]{1,20})+)(?::\d{1,5})?|[a-z\d-]{1,20}:\d{1,5}"
)
_PLAIN_SEGMENT = re.compile(
    r"v\d{1,2}(?:(?:alpha|beta)\d{0,2})?|\d{1,3}|api|openai|ai|inference|compatible-mode|paas|models|engines|"
    r"deployments|llama\.cpp|llm|chat|audio|serving|endpoints|proxy|rest|mcp|sse",
    re.IGNORECASE,
)
_PLAIN_QUERY = re.compile(r"transport=(?:udp|tcp)", re.IGNORECASE)
_PLACEHOLDER = re.compile(
    r"(?:your|my|fake|dummy|test|no|not|sk|api|key|token|secret|password|none|null|needed|required|unused|"
    r"changeme|placeholder|anything|undefined|example|default|localhost|voicebot|ollama|lm|studio|llama|cpp|"
    r"vllm|x|[-_. ])+",
    re.IGNORECASE,
)
"""What people enter as a key if none is needed. These are ordinary words in other texts."""
_NAMES_A_MODEL = {"deployments", "engines", "models"}
_SECRET_NAME = re.compile(r"(?:^|_)(?:API_?KEY|KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS)$", re.IGNORECASE)
_HEADERS_NAME = re.compile(r"_HEADERS$", re.IGNORECASE)
_ADDRESS_NAME = re.compile(r"_(?:PROXY|ENDPOINT)$", re.IGNORECASE)

_kept: dict[str, str] = {}
"""Replacements by secret, in every encoding."""
_pattern: re.Pattern[str] | None = None


class _Parts(NamedTuple):
    """The parts of an address, even of a malformed one. `path` begins with /, `query` with ? or #."""

    head: str
    user: str
    host: str
    path: str
    query: str


def shown(address: str) -> str:
    """Return an address without user, password and query, and with only the harmless parts of its path.

    Accepts any text, and leaves out what it cannot parse.
    """
    parts = _split(address)
    if not _HOST.fullmatch(parts.host) or not (
        parts.head or parts.user or _BARE_HOST.fullmatch(parts.host) or not address
    ):
        return parts.head + LEFT_OUT
    query = parts.query if _PLAIN_QUERY.fullmatch(parts.query[1:]) else ""
    return parts.head + parts.host + _shown_path(parts.path) + query


def public(address: str) -> str:
    """Return a public address with its whole path, but without user, password and query."""
    parts = _split(address)
    return parts.head + parts.host + parts.path


def unambiguous(address: str) -> bool:
    """Tell whether all parsers find the same host in an address.

    If they do not, one may take a part of a password for a port, and repeat it in an error.
    """
    try:
        parts = urlsplit(address)
        return parts.port != 0 and "@" not in parts.path + parts.query + parts.fragment
    except ValueError:
        return False


def keep(secret: str) -> None:
    """Make `redacted` replace `secret`, in any usual encoding, with `HIDDEN`.

    Ignores values that are as short as ordinary words, and placeholders such as "not-needed".
    """
    if _PLACEHOLDER.fullmatch(secret):
        return
    if len(secret) >= SURE or (len(secret) >= 4 and not secret.isalpha() and not secret.isdigit()):
        _learn(dict.fromkeys(_forms(secret), HIDDEN))


def keep_address(address: str) -> None:
    """Make `redacted` replace the parts of an address that `shown` leaves out."""
    _, user, host, path, query = _split(address)
    seen = host + _shown_path(path)
    users = {user, *_forms(user)} if user else set()
    for start in {host, *(f"{form}@{host}" for form in users)}:
        # as a whole, because some parts may be too short to keep alone
        whole = {start: host, start + path: seen, start + path + query: seen}
        _learn({form: instead for form, instead in whole.items() if form != instead})
    name, _, password = user.partition(":")
    keep(password)
    if not password or not name.isalpha():  # "default" and the like are not secret
        keep(name)
    if user:
        keep(base64.b64encode(unquote(user if ":" in user else f"{user}:").encode()).decode().rstrip("="))
    before = ""
    for segment in path.split("/"):
        hidden = not _PLAIN_SEGMENT.fullmatch(segment) and before not in _NAMES_A_MODEL
        if hidden and len(segment) >= SURE and not segment.isalpha():
            keep(segment)
            for name, _, value in (piece.partition("=") for piece in segment.split(";")[1:]):
                keep(value or name)
        before = segment.lower()
    if len(query) > 4 and not _PLAIN_QUERY.fullmatch(query[1:]):
        _learn({query: ""})
        for name, value in parse_qsl(query[1:], keep_blank_values=True):
            if name.lower() != "api-version":
                keep(value or name)


def keep_headers(headers: Mapping[str, str]) -> None:
    """Make `redacted` replace the values of HTTP headers, and what follows the space in "Bearer xyz"."""
    for name, value in headers.items():
        if name.lower() not in ("accept", "content-type", "user-agent"):
            keep(value)
            keep(unquote(value).rpartition(" ")[2])


def keep_named(values: Mapping[str, str]) -> None:
    """Keep the secrets in environment variables: keys, tokens, passwords and the like by name, each header in
    OTEL_..._HEADERS, and the secret parts of addresses of proxies and endpoints.
    """
    for name, value in values.items():
        if _SECRET_NAME.search(name):
            keep(value)
        elif _HEADERS_NAME.search(name):
            pairs = (pair.partition("=") for pair in value.split(","))
            keep_headers({key.strip(): given.strip() for key, _, given in pairs})
        elif "://" in value and ("@" in value or _ADDRESS_NAME.search(name)):
            keep_address(value)


def redacted(text: str) -> str:
    """Return the text with every kept secret replaced."""
    global _pattern
    if not _kept:
        return text
    pattern = _pattern
    if pattern is None:
        # longest first, so that a whole address matches before its parts
        forms = sorted(_kept, key=len, reverse=True)
        pattern = _pattern = re.compile("|".join(map(_matching, forms)))
    return pattern.sub(lambda found: _kept[found[0]], text)


def _matching(form: str) -> str:
    exactly = re.escape(form)
    return exactly if len(form) >= SURE else rf"(?<!\w){exactly}(?!\w)"


def _learn(forms: Mapping[str, str]) -> None:
    global _pattern
    if not _kept.keys() >= forms.keys():
        _kept.update(forms)
        _pattern = None


def _forms(secret: str) -> set[str]:
    """Return a secret as texts may contain it: escaped for URLs, JSON, HTML or Python, or in base64."""
    found = set()
    for text in {secret, unquote(secret)}:
        encoded = text.encode()
        found |= {
            text,
            quote(text),
            quote(text, safe=""),
            quote_plus(text),
            quote(text, safe="!$&'()*+,;=:@/~"),
        }
        found |= {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], repr(text)[1:-1]}
        found |= {html.escape(text), html.escape(text, quote=False)}
        found |= {make(encoded).decode().rstrip("=") for make in (base64.b64encode, base64.urlsafe_b64encode)}
    found |= {re.sub("%[0-9A-F]{2}", lambda escape: escape[0].lower(), form) for form in found}
    return {form for form in found if len(form) >= 4}


def _split(address: str) -> _Parts:
    address = address.strip()
    head = match[0] if (match := _HEAD.match(address)) else ""
    authority, path, query = _cut(address[len(head) :])
    user, _, host = authority.rpartition("@")
    unlikely = ":" in host or not _HOST.fullmatch(host)
    if "@" in path + query and not user and unlikely:  # the password contains / ? or #
        user, _, rest = address[len(head) :].rpartition("@")
        host, path, query = _cut(rest)
    return _Parts(head, user, host, path, query)


def _cut(rest: str) -> tuple[str, str, str]:
    """Split what follows the scheme into authority, path and query."""
    before = re.split(r"[?#]", rest, maxsplit=1)[0]
    authority, slash, path = before.partition("/")
    return authority, slash + path, rest[len(before) :]


def _shown_path(path: str) -> str:
    """Keep only the segments that are usual in addresses of model servers."""
    return "/".join(
        part if not part or _PLAIN_SEGMENT.fullmatch(part) else LEFT_OUT for part in path.split("/")
    )
