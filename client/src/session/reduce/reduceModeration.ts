import type { ModerationData } from "../../protocol/messages";
import { texts } from "../../texts";
import { type Asked, isHost, ownInfo, type SessionState } from "../state";
import { withToast } from "./toasts";

/** So many wishes may be on their way; the oldest have been answered without a word. */
const ASKED_LIMIT = 20;

/** Remember what was asked for, so that a refusal can be said. */
export function asking(state: SessionState, id: string, what: Asked): SessionState {
  const asked = [...Object.entries(state.asked).slice(-(ASKED_LIMIT - 1)), [id, what] as const];
  return { ...state, asked: Object.fromEntries(asked) };
}

/** What this message answers, and the state without it; null when nothing was asked. */
export function answered(
  state: SessionState,
  id: string | null,
): { state: SessionState; what: Asked } | null {
  const what = id === null ? undefined : state.asked[id];
  if (id === null || what === undefined) return null;
  const { [id]: _answered, ...asked } = state.asked;
  return { state: { ...state, asked }, what };
}

/** A host, or we ourselves, did something that a person is told about. */
export function moderated(
  state: SessionState,
  id: string | null,
  { action, participant_id, by }: ModerationData,
): SessionState {
  const asked = answered(state, id);
  const name = state.participants[participant_id ?? ""]?.name ?? "";
  if (asked) {
    const done: Partial<Record<Asked, string>> = {
      mute_request: texts.moderation.muteAsked(name),
      make_host: texts.moderation.madeHost(name),
      report: texts.moderation.reported,
    };
    const message = done[action];
    return message ? withToast(asked.state, "info", { code: action, message }) : asked.state;
  }
  if (action !== "mute_request" || participant_id !== state.self) return state;
  // Whoever only listens is as quiet as whoever is muted.
  if (state.muted || ownInfo(state)?.muted) return state;
  return { ...state, muteAsked: state.participants[by ?? ""]?.name ?? texts.moderation.someHost };
}

/** Say it when we have become host while we were there: there is more to press now. */
export function promoted(before: SessionState, after: SessionState): SessionState {
  const was = ownInfo(before);
  if (was === undefined || was.role === "host" || before.self !== after.self) return after;
  if (!isHost(after)) return after;
  return withToast(after, "info", { code: "host", ...texts.moderation.youAreHost });
}
