import type {
  ErrorData,
  GoingAwayData,
  LobbyInfo,
  ModerationData,
  ParticipantInfo,
  TranscriptData,
  Visitor,
  WebrtcFailedData,
} from "../protocol/messages";
import type { DeviceChoice } from "../rtc/devices";
import type { DeviceProblemKind } from "../rtc/problems";
import type { Quality, Route } from "../rtc/route";
import type { SocketState } from "../signaling/signaling";

/** Which screen is shown. */
export type Phase =
  | "start"
  | "prejoin"
  | "joining"
  | "waiting"
  | "returning"
  | "lobby"
  | "left"
  | "gone"
  | "full"
  | "expired"
  | "refused"
  | "elsewhere";

export interface PeerState {
  epoch: number;
  state: RTCPeerConnectionState;
  route: Route | null;
  quality: Quality | null;
  failure: WebrtcFailedData | null;
}

export type Note = "joined" | "left" | "lost" | "removed";

export type TimelineEntry =
  | ({ kind: "caption"; key: string } & Required<TranscriptData>)
  | { kind: "chat"; key: string; participant_id: string; name: string; text: string }
  | { kind: "note"; key: string; what: Note; name: string };

/** A chat message of ours that the server has not confirmed. */
export interface PendingChat {
  /** The id of the message that carries it. */
  id: string;
  text: string;
  /** Why it was given up; null while it is on its way. */
  error: ErrorData | null;
}

export interface Toast extends Required<Omit<ErrorData, "retryable">> {
  id: number;
  level: "error" | "info";
}

/** What the server was asked to do, and may refuse. */
export type Asked = ModerationData["action"] | "lobby_update" | "agent_update" | "agent_remove";

export interface AddingAgent {
  /** The id of the agent_create message, which its answer carries. */
  messageId: string;
  description: string;
}

export interface DeviceState {
  status: "off" | "asking" | "on" | "problem";
  problem: DeviceProblemKind | null;
  /** Whether nobody has read the explanation of the problem yet. */
  unread: boolean;
  /** The chosen device; empty for the default one. */
  deviceId: string;
  choices: DeviceChoice[];
}

export interface SessionState {
  phase: Phase;
  socket: SocketState;
  /** The socket is open, but the server gives no answer. */
  silent: boolean;
  lobbyId: string | null;
  lobby: LobbyInfo | null;
  /** Whether a host must let us in first, which is known before joining. */
  knock: boolean;
  /** Our own participant id, once joined. */
  self: string | null;
  name: string;
  participants: Readonly<Record<string, ParticipantInfo>>;
  /** Ids in the order of their arrival. */
  order: readonly string[];
  /** The version of the newest lobby_state. An older one is ignored. */
  version: number;
  peers: Readonly<Record<string, PeerState>>;
  timeline: readonly TimelineEntry[];
  /** In the order in which they were written. */
  pendingChat: readonly PendingChat[];
  toasts: readonly Toast[];
  /** The id of the create_lobby message that is not answered yet. */
  creating: string | null;
  /** Why a lobby could not be made, where the form says it. */
  creatingError: ErrorData | null;
  /** Recent requests, by the id of their message. */
  asked: Readonly<Record<string, Asked>>;
  /** The visitors at the door. Only hosts see them. */
  visitors: readonly Visitor[];
  /** The name of the host who asks us to mute. */
  muteAsked: string | null;
  /** The server stops soon, or has stopped and is not back yet. */
  goingAway: GoingAwayData | null;
  adding: AddingAgent | null;
  addingError: ErrorData | null;
  /** The dialog that adds agents is open, and shows why one could not be made. */
  addingShown: boolean;
  /** Why we are no longer there, in the server's words. */
  reason: string;
  /** The limit of the lobby, if it was full. */
  limit: number | null;
  muted: boolean;
  microphone: DeviceState;
  camera: DeviceState;
  /** Whether the browser needs a click before it plays sound. */
  soundBlocked: boolean;
}

const device: DeviceState = {
  status: "off",
  problem: null,
  unread: false,
  deviceId: "",
  choices: [],
};

export function initialState(lobbyId: string | null, name: string): SessionState {
  return {
    phase: lobbyId ? "prejoin" : "start",
    socket: "idle",
    silent: false,
    lobbyId,
    lobby: null,
    knock: false,
    self: null,
    name,
    participants: {},
    order: [],
    version: -1,
    peers: {},
    timeline: [],
    pendingChat: [],
    toasts: [],
    creating: null,
    creatingError: null,
    asked: {},
    visitors: [],
    muteAsked: null,
    goingAway: null,
    adding: null,
    addingError: null,
    addingShown: false,
    reason: "",
    limit: null,
    muted: false,
    microphone: device,
    camera: device,
    soundBlocked: false,
  };
}

/** The initial values of everything that belongs to one stay in a lobby. */
export const OUTSIDE = {
  self: null,
  participants: {},
  order: [],
  version: -1,
  peers: {},
  pendingChat: [],
  asked: {},
  visitors: [],
  muteAsked: null,
  goingAway: null,
  adding: null,
  addingError: null,
  soundBlocked: false,
} satisfies Partial<SessionState>;

/** Whether the server seems to be out of reach. */
export function isAway({ socket, silent }: Pick<SessionState, "socket" | "silent">): boolean {
  return socket !== "open" || silent;
}

/** Our own place in the lobby. */
export function ownInfo({ self, participants }: SessionState): ParticipantInfo | undefined {
  return self === null ? undefined : participants[self];
}

export function isHost(state: SessionState): boolean {
  return ownInfo(state)?.role === "host";
}

/** Whether we are an owner, and not only an acting host. */
export function isOwner(state: SessionState): boolean {
  return ownInfo(state)?.owner ?? false;
}

/** Whether we may add, mute and remove agents here. */
export function mayChangeAgents(state: SessionState): boolean {
  return state.lobby?.settings?.agents_by !== "host" || isHost(state);
}
