import type {
  ErrorData,
  LobbyInfo,
  ParticipantInfo,
  TranscriptData,
  WebrtcFailedData,
} from "../protocol/messages";
import type { DeviceChoice } from "../rtc/devices";
import type { DeviceProblemKind } from "../rtc/problems";
import type { Quality, Route } from "../rtc/route";
import type { LinkState } from "../signaling/signaling";

/** Which screen is shown. */
export type Phase =
  | "start"
  | "prejoin"
  | "joining"
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

export type TimelineEntry =
  | ({ kind: "caption"; key: string } & Required<TranscriptData>)
  | { kind: "chat"; key: string; participant_id: string; name: string; text: string }
  | { kind: "note"; key: string; what: "joined" | "left" | "lost"; name: string };

export interface Toast extends Required<Omit<ErrorData, "retryable">> {
  id: number;
  level: "error" | "info";
}

export interface AddingAgent {
  /** The id of the agent_create message, which its answer carries. */
  messageId: string;
  description: string;
}

export interface DeviceState {
  status: "off" | "asking" | "on" | "problem";
  problem: DeviceProblemKind | null;
  /** The chosen device; empty for the default one. */
  deviceId: string;
  choices: DeviceChoice[];
}

export interface SessionState {
  phase: Phase;
  link: LinkState;
  lobbyId: string | null;
  lobby: LobbyInfo | null;
  /** Our own participant id, once joined. */
  self: string | null;
  name: string;
  participants: Readonly<Record<string, ParticipantInfo>>;
  /** Ids in the order of their arrival. */
  order: readonly string[];
  /** Of the newest lobby_state; an older one is stale. */
  version: number;
  peers: Readonly<Record<string, PeerState>>;
  timeline: readonly TimelineEntry[];
  toasts: readonly Toast[];
  /** The id of the create_lobby message that is not answered yet. */
  creating: string | null;
  adding: AddingAgent | null;
  addingError: ErrorData | null;
  /** The dialog that adds agents is open, and shows why one could not be made. */
  addingShown: boolean;
  /** Why we are no longer there, in the server's words. */
  reason: string;
  /** People that fit, when the lobby was full. */
  limit: number | null;
  muted: boolean;
  microphone: DeviceState;
  camera: DeviceState;
  /** The browser wants a click before it plays sound. */
  soundBlocked: boolean;
}

const device: DeviceState = { status: "off", problem: null, deviceId: "", choices: [] };

export function initialState(lobbyId: string | null, name: string): SessionState {
  return {
    phase: lobbyId ? "prejoin" : "start",
    link: "idle",
    lobbyId,
    lobby: null,
    self: null,
    name,
    participants: {},
    order: [],
    version: -1,
    peers: {},
    timeline: [],
    toasts: [],
    creating: null,
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

/** What belongs to one stay in a lobby, as it is outside of one. */
export const OUTSIDE = {
  self: null,
  participants: {},
  order: [],
  version: -1,
  peers: {},
  adding: null,
  addingError: null,
  soundBlocked: false,
} satisfies Partial<SessionState>;
