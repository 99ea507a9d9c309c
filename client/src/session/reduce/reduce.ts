import type { ErrorData, ParticipantInfo, ServerMessage } from "../../protocol/messages";
import { texts } from "../../texts";
import {
  initialState,
  type Note,
  OUTSIDE,
  type PeerState,
  type Phase,
  type SessionState,
} from "../state";
import { chatFailed, chatReceived } from "./pendingChat";
import { answered, moderated, promoted } from "./reduceModeration";
import { withCaption, withEntry } from "./timeline";
import { withToast } from "./toasts";

let lastKey = 0;
/** Lines survive a reload, so their keys must differ from those of the page before. */
const PAGE = Math.random().toString(36).slice(2, 8);

/** Answers to what crossed with newer news on its way; the newer news is on its way to us, too. */
const CROSSED = new Set(["stale_epoch", "unknown_peer", "too_many", "not_resumable"]);

/** Errors that everyone in a lobby is told about, and that nobody has caused. */
const NOTICES = new Set(["conversation_full", "recording_stopped", "recording_resumed"]);

/** As many cameras as may be are on; whoever asked is in the lobby without one. */
export const CAMERA_LIMIT = "camera_limit";

/** On the way in: what is answered now is the wish to join. */
export const ENTERING = new Set<Phase>(["joining", "waiting", "returning"]);

const NEW_PEER: PeerState = {
  epoch: 0,
  state: "new",
  route: null,
  quality: null,
  failure: null,
};

/** What a message of the server makes of the state. Pure, but for the keys it hands out. */
export function reduce(state: SessionState, message: ServerMessage): SessionState {
  if ("lobby" in message && message.lobby && message.lobby !== state.lobbyId) return state;
  return promoted(state, reduced(state, message));
}

function reduced(state: SessionState, message: ServerMessage): SessionState {
  switch (message.type) {
    case "session_established":
      // A restarted server counts its versions anew, and what comes now is the newest there is.
      return { ...state, version: -1, goingAway: null };
    case "going_away":
      return { ...state, goingAway: message.data };
    case "lobby_created":
      // Whoever has gone elsewhere meanwhile is not called back.
      if (state.phase !== "start") return state;
      return { ...entering(state, message.data.id), lobby: message.data };
    case "lobby_joined":
      return { ...state, phase: "lobby", self: message.data.participant_id };
    case "lobby_waiting": {
      if (!ENTERING.has(state.phase) || !state.lobbyId) return state;
      const lobby = { id: state.lobbyId, name: message.data.name };
      return { ...state, phase: "waiting", lobby: state.lobby ?? lobby };
    }
    case "knocking":
      return { ...state, visitors: message.data.waiting };
    case "moderation":
      return moderated(state, message.id ?? null, message.data);
    case "lobby_state": {
      const { lobby, participants, version } = message.data;
      if (version < state.version) return state;
      return {
        ...state,
        lobby,
        version,
        participants: Object.fromEntries(participants.map((info) => [info.id, info])),
        order: participants.map((info) => info.id),
      };
    }
    case "user_joined":
      return arrived(state, message.data.participant);
    case "agent_created": {
      const next = arrived(state, message.data.participant);
      const ours = message.id != null && message.id === state.adding?.messageId;
      return ours ? { ...next, adding: null } : next;
    }
    case "participant_updated":
      return withParticipant(state, message.data.participant);
    case "agent_state": {
      const known = state.participants[message.data.participant_id];
      return known ? withParticipant(state, { ...known, state: message.data.state }) : state;
    }
    case "raise_hand": {
      const known = state.participants[message.data.participant_id ?? ""];
      return known ? withParticipant(state, { ...known, hand_raised: message.data.raised }) : state;
    }
    case "user_left":
    case "agent_removed":
      return departed(state, message.data.participant_id, message.data.reason ?? "left");
    case "lobby_destroyed":
      return { ...state, ...OUTSIDE, phase: "gone", reason: message.data.reason ?? "" };
    case "lobby_full":
      return { ...state, ...OUTSIDE, phase: "full", limit: message.data.limit };
    case "transcript":
      return { ...state, timeline: withCaption(state.timeline, message.data) };
    case "chat_message": {
      const { participant_id, text } = message.data;
      return chatReceived(state, participant_id ?? "", text, message.id ?? `${PAGE}-${++lastKey}`);
    }
    case "connection_ready":
      return withPeer(state, message.peer, message.epoch, { failure: null });
    case "webrtc_failed":
      return withPeer(state, message.peer, message.epoch, {
        state: "failed",
        failure: message.data,
      });
    case "error":
      return failed(state, message.id ?? null, message.data);
    default:
      return state;
  }
}

function withParticipant(state: SessionState, info: ParticipantInfo): SessionState {
  const known = info.id in state.participants;
  return {
    ...state,
    participants: { ...state.participants, [info.id]: info },
    order: known ? state.order : [...state.order, info.id],
  };
}

function arrived(state: SessionState, info: ParticipantInfo): SessionState {
  const next = withParticipant(state, info);
  return info.id in state.participants ? next : noted(next, "joined", info);
}

function noted(state: SessionState, what: Note, info: ParticipantInfo): SessionState {
  if (info.id === state.self) return state;
  // An agent that a restart of the server has brought back was not seen to leave.
  const last = state.timeline.findLast(({ kind, name }) => kind === "note" && name === info.name);
  if (info.kind === "agent" && last?.kind === "note" && last.what === what) return state;
  const entry = { kind: "note" as const, key: `note-${PAGE}-${++lastKey}`, what, name: info.name };
  return { ...state, timeline: withEntry(state.timeline, entry) };
}

/** By a host; an agent that was removed has simply left. */
const TAKEN_OUT = new Set(["kicked", "banned"]);

function departed(state: SessionState, id: string, reason: string): SessionState {
  if (id === state.self) {
    return { ...state, ...OUTSIDE, phase: reason === "left" ? "left" : "gone", reason };
  }
  const info = state.participants[id];
  if (!info) return state;
  const { [id]: _gone, ...participants } = state.participants;
  const { [id]: _peer, ...peers } = state.peers;
  const order = state.order.filter((other) => other !== id);
  const what = reason === "lost" ? "lost" : TAKEN_OUT.has(reason) ? "removed" : "left";
  return noted({ ...state, participants, peers, order }, what, info);
}

/** Change what is known of a peer; news of an older epoch is stale. */
export function withPeer(
  state: SessionState,
  peer: string,
  epoch: number,
  change: Partial<PeerState>,
): SessionState {
  const known = state.peers[peer] ?? NEW_PEER;
  if (epoch < known.epoch) return state;
  return { ...state, peers: { ...state.peers, [peer]: { ...known, ...change, epoch } } };
}

function failed(state: SessionState, id: string | null, error: ErrorData): SessionState {
  if (id !== null && id === state.adding?.messageId) return notAdded(state, readableError(error));
  if (id !== null && id === state.creating) {
    const next = { ...state, creating: null };
    // The address is taken: said where another one can be written.
    if (error.code === "id_taken") return { ...next, creatingError: readableError(error) };
    return withToast(next, "error", readableError(error));
  }
  if (id !== null && state.pendingChat.some((line) => line.id === id)) {
    return chatFailed(state, id, readableError(error));
  }
  const asked = answered(state, id);
  if (asked) return withToast(asked.state, "error", readableError(error));
  if (CROSSED.has(error.code)) return state;
  const inside = ENTERING.has(state.phase) || state.phase === "lobby";
  if (error.code === "unknown_lobby" && inside) {
    return { ...outside(state, "gone"), reason: "missing" };
  }
  // Refused at the door: back to where the name can be changed and joining tried again.
  const refused =
    ENTERING.has(state.phase) && error.code !== CAMERA_LIMIT && !NOTICES.has(error.code);
  const next = refused ? { ...state, phase: "prejoin" as const } : state;
  return withToast(next, "error", readableError(error));
}

/** The agent that was asked for does not come: said in the dialog, or, when that was closed, as
 * a toast. */
export function notAdded(state: SessionState, error: ErrorData): SessionState {
  const next = { ...state, adding: null };
  return state.addingShown ? { ...next, addingError: error } : withToast(next, "error", error);
}

/** Errors whose own words are for whoever writes a client are said in people's words. */
export function readableError<E extends ErrorData>(error: E): E {
  const said: Record<string, { message: string; hint: string }> = texts.errors.said;
  return { ...error, ...said[error.code] };
}

/** Leave whatever lobby this is and show `phase`; the name and the devices stay. */
export function outside(state: SessionState, phase: SessionState["phase"]): SessionState {
  return { ...state, ...OUTSIDE, phase };
}

/** A fresh start on another lobby. */
export function entering(state: SessionState, lobbyId: string | null): SessionState {
  const { microphone, camera, muted, socket, silent } = state;
  return { ...initialState(lobbyId, state.name), microphone, camera, muted, socket, silent };
}
