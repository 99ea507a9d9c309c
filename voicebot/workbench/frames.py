"""The workbench's pandas frames: events and models."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from voicebot.agent.models.models import ROLES, Models, SwapRole
from voicebot.events import Event

FIRST = ["conversation_id", "seq", "t", "type", "participant_id", "turn_id", "speech_id"]


def events_frame(events: Iterable[Event]) -> pd.DataFrame:
    """Return one row per event, in order, with `t` in seconds since its conversation began.

    The common columns come first, followed by all fields of the events. Missing fields are empty.
    """
    rows = [event.model_dump(exclude={"schema_version"}) for event in events]
    frame = pd.DataFrame(rows)
    rest = [column for column in frame.columns if column not in FIRST]
    return frame.reindex(columns=FIRST + rest)


def models_frame(models: Models) -> pd.DataFrame:
    """Return the models in use: `model` and `why`, by role."""
    chosen = {role: models.chosen[role] for role in ROLES}
    rows = {role: (c.spec, "; but: ".join(filter(None, (c.reason, c.warning)))) for role, c in chosen.items()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=["model", "why"])


def options_frame(models: Models, role: SwapRole) -> pd.DataFrame:
    """Return the known models of a role: `status` (ready, downloadable, missing), `why` and `hint`."""
    options = models.options(role)
    rows = {o.spec: (o.availability.status, o.availability.reason, o.availability.hint) for o in options}
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=["status", "why", "hint"])
    return frame.rename_axis("model")
