import type { TimelineEntry } from "../../session/state";
import { texts } from "../../texts";
import { Name } from "../ui/Name";

/** Tells screen readers what was said: final captions, chat and notes, never interim text. */
export function LiveRegion({ timeline }: { timeline: readonly TimelineEntry[] }) {
  const said = timeline.filter((entry) => entry.kind !== "caption" || entry.final).slice(-5);
  return (
    <div className="visually-hidden" role="log" aria-live="polite" aria-relevant="additions">
      {said.map((entry) => (
        <p key={entry.key}>
          {entry.kind === "note" ? (
            texts.captions[entry.what](entry.name)
          ) : (
            <>
              <Name of={entry.name} />: {entry.text}
            </>
          )}
        </p>
      ))}
    </div>
  );
}
