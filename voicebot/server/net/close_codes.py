"""WebSocket close codes: RFC 6455 section 7.4.1, IANA's registry, and our own from 4000."""

from enum import IntEnum


class CloseCode(IntEnum):
    """The close codes. `voicebot/signaling/protocol.md` says what a client does after each."""

    GOING_AWAY = 1001
    ABNORMAL = 1006
    """Never sent: the connection broke without a close frame."""
    SERVICE_RESTART = 1012
    TRY_AGAIN = 1013
    UNAUTHENTICATED = 4401
    WRONG_ORIGIN = 4403
    TOO_SLOW = 4408
    REPLACED = 4409
    TOO_MANY = 4429
