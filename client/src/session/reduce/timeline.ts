import type { TranscriptData } from "../../protocol/messages";
import type { TimelineEntry } from "../state";

/** Older entries are dropped from the page; the server's log keeps everything. */
export const TIMELINE_LIMIT = 500;

/** Add a caption. It replaces the one of the same utterance, unless that is final and this is not. */
export function withCaption(
  timeline: readonly TimelineEntry[],
  data: TranscriptData,
): readonly TimelineEntry[] {
  const key = `caption-${data.participant_id}-${data.utterance_id}`;
  const index = timeline.findLastIndex((entry) => entry.key === key);
  const known = timeline[index];
  if (known?.kind === "caption" && known.final && !data.final) return timeline;
  const text = data.text.trim();
  if (known && text === "") return data.final ? timeline.toSpliced(index, 1) : timeline;
  if (text === "") return timeline;
  const entry: TimelineEntry = { interrupted: false, ...data, kind: "caption", key, text };
  return known ? timeline.with(index, entry) : withEntry(timeline, entry);
}

export function withEntry(
  timeline: readonly TimelineEntry[],
  entry: TimelineEntry,
): readonly TimelineEntry[] {
  return [...timeline.slice(-(TIMELINE_LIMIT - 1)), entry];
}

/** Seconds as mm:ss, or h:mm:ss from an hour on. */
export function clockTime(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (value: number) => String(value).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  return hours > 0
    ? `${hours}:${two(minutes)}:${two(whole % 60)}`
    : `${two(minutes)}:${two(whole % 60)}`;
}
