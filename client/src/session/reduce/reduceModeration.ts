import type { ModerationData } from "../../protocol/messages";
import { texts } from "../../texts";
import { type Asked, isHost, ownInfo, type SessionState } from "../state";
import { withToast } from "./toasts";

/** Most open requests. The oldest ones have succeeded, which the server does not confirm. */
const ASKED_LIMIT = 20;

/** Remember a request, so that a refusal can be explained. */
export function asking(state: SessionState, id: string, what: Asked): SessionState {
  const asked = [...Object.entries(state.asked).slice(-(ASKED_LIMIT - 1)), [id, what] as const];
  return { ...state, asked: Object.fromEntries(asked) };
}

/** The request that this message answers, and the state without it; null if there is none. */
export function answered(
  state: SessionState,
  id: string | null,
): { state: SessionState; what: Asked } | null {
  const what = id === null ? undefined : state.asked[id];
  if (id === null || what === undefined) return null;
  const { [id]: _answered, ...asked } = state.asked;
  return { state: { ...state, asked }, what };
}

/** A host or we ourselves did something that people should know about. */
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
  // Somebody who only listens is as quiet as somebody who is muted.
  if (state.muted || ownInfo(state)?.muted) return state;
  return { ...state, muteAsked: state.participants[by ?? ""]?.name ?? texts.moderation.someHost };
}

/** Tell us when we have become a host during our stay, because there are more controls now. */
export function promoted(before: SessionState, after: SessionState): SessionState {
  const was = ownInfo(before);
  if (was === undefined || was.role === "host" || before.self !== after.self) return after;
  if (!isHost(after)) return after;
  return withToast(after, "info", { code: "host", ...texts.moderation.youAreHost });
}
