import { memo } from "react";
import { hueOf } from "../../names";
import { clockTime } from "../../session/reduce/timeline";
import type { TimelineEntry } from "../../session/state";
import { texts } from "../../texts";
import { Name } from "../ui/Name";

/** One caption, chat message or note of the conversation. */
export const TimelineRow = memo(function TimelineRow({ entry }: { entry: TimelineEntry }) {
  switch (entry.kind) {
    case "caption":
      return (
        <li
          className="row caption"
          data-testid="caption"
          data-speaker={entry.name}
          data-participant={entry.participant_id}
          data-final={entry.final}
          data-interrupted={entry.interrupted}
          data-t={entry.t}
          style={{ "--hue": hueOf(entry.participant_id) }}
        >
          <div className="row-head">
            <span className="speaker">
              <Name of={entry.name} />
            </span>
            <time>{clockTime(entry.t)}</time>
            {entry.interrupted && <span className="tag">{texts.captions.interrupted}</span>}
          </div>
          <p dir="auto">{entry.text}</p>
        </li>
      );
    case "chat":
      return (
        <li
          className="row chat"
          data-testid="chat-row"
          data-speaker={entry.name}
          data-participant={entry.participant_id}
          style={{ "--hue": hueOf(entry.participant_id) }}
        >
          <div className="row-head">
            <span className="speaker">
              <Name of={entry.name} />
            </span>
          </div>
          <p dir="auto">{entry.text}</p>
        </li>
      );
    case "note":
      return (
        <li className="row note quiet small" data-testid="note-row">
          {texts.captions[entry.what](entry.name)}
        </li>
      );
  }
});
