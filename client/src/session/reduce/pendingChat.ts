import type { ErrorData } from "../../protocol/messages";
import type { SessionState } from "../state";
import { withEntry } from "./timeline";

/** A chat message of ours is on its way. */
export function chatSent(state: SessionState, id: string, text: string): SessionState {
  return { ...state, pendingChat: [...state.pendingChat, { id, text, error: null }] };
}

/** It is no longer waited for, or shown as given up. */
export function chatRemoved(state: SessionState, id: string): SessionState {
  return { ...state, pendingChat: state.pendingChat.filter((line) => line.id !== id) };
}

/** It has arrived, though the others' copy of it did not reach us. */
export function chatArrived(state: SessionState, id: string): SessionState {
  const line = state.pendingChat.find((one) => one.id === id);
  return line ? chatReceived(state, state.self ?? "", line.text, id) : state;
}

/** It cannot be sent, or nobody knows whether it was. */
export function chatFailed(state: SessionState, id: string, error: ErrorData): SessionState {
  const pendingChat = state.pendingChat.map((line) => (line.id === id ? { ...line, error } : line));
  return { ...state, pendingChat };
}

/** A chat message of anyone's; `id` is that of our own one. Told again, it is shown once. */
export function chatReceived(
  state: SessionState,
  participant_id: string,
  text: string,
  id: string,
): SessionState {
  const next = chatRemoved(state, id);
  const key = `chat-${id}`;
  if (state.timeline.some((entry) => entry.key === key)) return next;
  const name = state.participants[participant_id]?.name ?? participant_id;
  const entry = { kind: "chat" as const, key, participant_id, name, text };
  return { ...next, timeline: withEntry(state.timeline, entry) };
}
