// Generated from schema.json by `npm run generate`; do not edit.

export type ClientMessage =
  | CreateLobby
  | JoinLobby
  | LobbyUpdate
  | LeaveLobby
  | Resume
  | Ping
  | WebrtcOffer
  | WebrtcAnswer
  | IceCandidate
  | NegotiationNeeded
  | WebrtcStateChange
  | ConnectionReady
  | IceServersRequest
  | ParticipantUpdate
  | AgentCreate
  | AgentUpdate
  | AgentRemove
  | ChatMessage
  | RaiseHand
  | Moderation;
export type ServerMessage =
  | SessionEstablished
  | SessionExpired
  | SessionInvalid
  | LobbyCreated
  | LobbyJoined
  | LobbyState
  | LobbyDestroyed
  | LobbyWaiting
  | Knocking
  | LobbyFull
  | UserJoined
  | ParticipantUpdated
  | UserLeft
  | StartWebrtcNegotiation
  | NegotiationNeeded
  | RenegotiateRequest
  | WebrtcOffer
  | WebrtcAnswer
  | IceCandidate
  | WebrtcStateChange
  | ConnectionReady
  | WebrtcFailed
  | IceServers
  | AgentCreated
  | AgentRemoved
  | AgentStateChanged
  | Transcript
  | ChatMessage
  | RaiseHand
  | Moderation
  | GoingAway
  | Pong
  | Error;

export interface Wire {
  client: ClientMessage;
  server: ServerMessage;
}
/**
 * Create a lobby; answered by lobby_created.
 */
export interface CreateLobby {
  v?: 1;
  id?: string | null;
  seq?: number | null;
  ack?: number | null;
  lobby?: string | null;
  peer?: string | null;
  epoch?: number | null;
  type: "create_lobby";
  data: CreateLobbyData;
}
export interface CreateLobbyData {
  name: string;
  slug?: string | null;
  settings?: LobbySettings;
}
/**
 * What a host may set.
 */
export interface LobbySettings {
  private?: boolean;
  locked?: boolean;
  agents_by?: "everyone" | "host";
  people?: number;
}
/**
 * Join a lobby under a name; answered by lobby_joined, then lobby_state. If too many cameras are on,
 * yours stays off, and the error `camera_limit` follows.
 */
export interface JoinLobby {
  v?: 1;
  id?: string | null;
  seq?: number | null;
  ack?: number | null;
  lobby: string;
  peer?: string | null;
  epoch?: number | null;
  type: "join_lobby";
  data: JoinLobbyData;
}
export interface JoinLobbyData {
  name: string;
  muted?: boolean;
  camera?: boolean;
}
/**
 * Change the lobby, as a host; everyone gets lobby_state. Use `moderation` to lock it.
 */
export interface LobbyUpdate {
  v?: 1;
  id?: string | null;
  seq?: number | null;
  ack?: number | null;
  lobby: string;
  peer?: string | null;
  epoch?: number | null;
  type: "lobby_update";
  data: LobbyUpdateData;
}
/**
 * Omitted fields stay as they are.
 */
export interface LobbyUpdateData {
  name?: string | null;
  private?: boolean | null;
  agents_by?: ("everyone" | "host") | null;
  people?: number | null;
}
/**
 * Free the seat, or stop waiting at the door.
 */
export interface LeaveLobby {
  v?: 1;
  id?: string | null;
  seq?: number | null;
  ack?: number | null;
  lobby: string;
  peer?: string | null;
  epoch?: number | null;
  type: "leave_lobby";
  data?: Empty;
}
/**
 * No data.
 */
export interface Empty {}
/**
 * After a reconnect: ask for what came after `last_seq`. If it is lost, the server sends lobby_state.
 */
export interface Resume {
  v?: 1;
  id?: string | null;
  seq?: number | null;
  ack?: number | null;
  lobby?: string | null;
  peer?: string | null;
  epoch?: number | null;
  type: "resume";
  data: ResumeData;
}
export interface ResumeData {
  last_seq: number;
}
export interface Ping {
  v?: 1;
  id?: string | null;
  seq?: number | null;
  ack?: number | null;
  lobby?: string | null;
  peer?: string | null;
  epoch?: number | null;
  type: "ping";
  data?: Empty;
}
/**
 * An offer. It is relayed to a person; the host peer answers it with webrtc_answer.
 */
export interface WebrtcOffer {
  v?: 1;
  id?: string | null;
  seq?: number | null;
  ack?: number | null;
  lobby?: string | null;
  peer: string;
  epoch: number;
  type: "webrtc_offer";
  data: DescriptionData;
}
/**
 * A session description. `tracks` maps each mid to the participant whose media it carries.
 */
export interface DescriptionData {
  sdp: string;
  tracks?: {
    [k: string]: string;
  };
}
export interface WebrtcAnswer {
  v?: 1;
  id?: string | null;
  seq?: number | null;
  ack?: number | null;
  lobby?: string | null;
  peer: string;
  epoch: number;
  type: "webrtc_answer";
  data: DescriptionData;
}
export interface IceCandidate {
  v?: 1;
  id?: string | null;
  seq?: number | null;
  ack?: number | null;
  lobby?: string | null;
  peer: string;
  epoch: number;
  type: "ice_candidate";
  data: Candidate;
}
/**
 * An RTCIceCandidateInit. An empty `candidate` means end-of-candidates.
 */
export interface Candidate {
  candidate: string;
  sdp_mid?: string | null;
  sdp_m_line_index?: number | null;
  username_fragment?: string | null;
}
/**
 * A browser wants to renegotiate with `peer`; relayed to it. After webrtc_failed it asks for another
 * attempt.
 */
export interface NegotiationNeeded {
  v?: 1;
  id?: string | null;
  seq?: number | null;
  ack?: number | null;
  lobby?: string | null;
  peer: string;
  epoch: number;
  type: "negotiation_needed";
  data?: Empty;
}
/**
 * A browser reports the state of its connection to `peer`.
 */
export interface WebrtcStateChange {
  v?: 1;
  id?: string | null;
  seq?: number | null;
  ack?: number | null;
  lobby?: string | null;
  peer: string;
  epoch: number;
  type: "webrtc_state_change";
  data: WebrtcStateChangeData;
}
export interface WebrtcStateChangeData {
  state: "new" | "connecting" | "connected" | "disconnected" | "failed" | "closed";
  relay?: boolean | null;
  local?: string | null;
  remote?: string | null;
  reason?: string;
}
/**
 * Both ends of this epoch are connected.
 */
export interface ConnectionReady {
  v?: 1;
  id?: string | null;
  seq?: number | null;
  ack?: number | null;
  lobby?: string | null;
  peer: string;
  epoch: number;
  type: "connection_ready";
  data?: Empty;
}
/**
 * Ask for fresh TURN credentials; answered by ice_servers.
 */
export interface IceServersRequest {
  v?: 1;
  id?: string | null;
  seq?: number | null;
  ack?: number | null;
  lobby?: string | null;
  peer?: string | null;
  epoch?: number | null;
  type: "ice_servers_request";
  data?: Empty;
}
/**
 * Change your own name or devices. If too many cameras are on, yours stays off, and the error
 * `camera_limit` follows.
 */
export interface ParticipantUpdate {
  v?: 1;
  id?: string | null;
  seq?: number | null;
  ack?: number | null;
  lobby: string;
  peer?: string | null;
  epoch?: number | null;
  type: "participant_update";
  data: ParticipantUpdateData;
}
export interface ParticipantUpdateData {
  muted?: boolean | null;
  camera?: boolean | null;
  name?: string | null;
}
/**
 * Add an agent made from a description; answered by agent_created.
 */
export interface AgentCreate {
  v?: 1;
  id?: string | null;
  seq?: number | null;
  ack?: number | null;
  lobby: string;
  peer?: string | null;
  epoch?: number | null;
  type: "agent_create";
  data: AgentCreateData;
}
export interface AgentCreateData {
  description: string;
  name?: string | null;
  voice?: string | null;
}
/**
 * Mute one agent for everyone; everyone gets participant_updated.
 */
export interface AgentUpdate {
  v?: 1;
  id?: string | null;
  seq?: number | null;
  ack?: number | null;
  lobby: string;
  peer?: string | null;
  epoch?: number | null;
  type: "agent_update";
  data: AgentUpdateData;
}
export interface AgentUpdateData {
  participant_id: string;
  muted: boolean;
}
export interface AgentRemove {
  v?: 1;
  id?: string | null;
  seq?: number | null;
  ack?: number | null;
  lobby: string;
  peer?: string | null;
  epoch?: number | null;
  type: "agent_remove";
  data: AgentRemoveData;
}
export interface AgentRemoveData {
  participant_id: string;
}
export interface ChatMessage {
  v?: 1;
  id?: string | null;
  seq?: number | null;
  ack?: number | null;
  lobby: string;
  peer?: string | null;
  epoch?: number | null;
  type: "chat_message";
  data: ChatData;
}
export interface ChatData {
  text: string;
  participant_id?: string | null;
}
export interface RaiseHand {
  v?: 1;
  id?: string | null;
  seq?: number | null;
  ack?: number | null;
  lobby: string;
  peer?: string | null;
  epoch?: number | null;
  type: "raise_hand";
  data: RaiseHandData;
}
export interface RaiseHandData {
  raised: boolean;
  participant_id?: string | null;
}
/**
 * A host moderates; anyone may report. The server echoes it to its author with the `id` once it is done,
 * and sends it to the participant it is about.
 */
export interface Moderation {
  v?: 1;
  id?: string | null;
  seq?: number | null;
  ack?: number | null;
  lobby: string;
  peer?: string | null;
  epoch?: number | null;
  type: "moderation";
  data: ModerationData;
}
export interface ModerationData {
  action:
    "mute_request" | "kick" | "ban" | "lock" | "unlock" | "admit" | "deny" | "make_host" | "report";
  participant_id?: string | null;
  reason?: string;
  by?: string | null;
}
export interface SessionEstablished {
  v?: 1;
  id?: string | null;
  seq?: number | null;
  ack?: number | null;
  lobby?: string | null;
  peer?: string | null;
  epoch?: number | null;
  type: "session_established";
  data: SessionEstablishedData;
}
export interface SessionEstablishedData {
  session: string;
  resumed?: boolean;
  lobby?: string | null;
  participant_id?: string | null;
  heartbeat_s?: number;
  version: string;
}
/**
 * The session has expired; reload the page. The socket closes with 4401.
 */
export interface SessionExpired {
  v?: 1;
  id?: string | null;
  seq?: number | null;
  ack?: number | null;
  lobby?: string | null;
  peer?: string | null;
  epoch?: number | null;
  type: "session_expired";
  data?: Empty;
}
/**
 * The cookie is missing or unknown. The socket closes with 4401.
 */
export interface SessionInvalid {
  v?: 1;
  id?: string | null;
  seq?: number | null;
  ack?: number | null;
  lobby?: string | null;
  peer?: string | null;
  epoch?: number | null;
  type: "session_invalid";
  data?: Empty;
}
export interface LobbyCreated {
  v?: 1;
  id?: string | null;
  seq?: number | null;
  ack?: number | null;
  lobby?: string | null;
  peer?: string | null;
  epoch?: number | null;
  type: "lobby_created";
  data: LobbyInfo;
}
/**
 * A lobby without its participants.
 */
export interface LobbyInfo {
  id: string;
  name: string;
  settings?: LobbySettings;
  host_peer?: string | null;
}
export interface LobbyJoined {
  v?: 1;
  id?: string | null;
  seq?: number | null;
  ack?: number | null;
  lobby: string;
  peer?: string | null;
  epoch?: number | null;
  type: "lobby_joined";
  data: LobbyJoinedData;
}
export interface LobbyJoinedData {
  participant_id: string;
  ice_servers: IceServer[];
  ice_expires_s?: number | null;
}
/**
 * One entry of RTCConfiguration.iceServers.
 */
export interface IceServer {
  urls: string[];
  username?: string | null;
  credential?: string | null;
}
export interface LobbyState {
  v?: 1;
  id?: string | null;
  seq?: number | null;
  ack?: number | null;
  lobby: string;
  peer?: string | null;
  epoch?: number | null;
  type: "lobby_state";
  data: LobbyStateData;
}
export interface LobbyStateData {
  lobby: LobbyInfo;
  participants: ParticipantInfo[];
  version: number;
}
/**
 * A person or an agent, as everyone in the lobby sees them.
 */
export interface ParticipantInfo {
  id: string;
  name: string;
  kind: "human" | "agent";
  role?: "host" | "guest";
  owner?: boolean;
  presence?: "present" | "reconnecting";
  muted?: boolean;
  camera?: boolean;
  hand_raised?: boolean;
  state?: ("initializing" | "idle" | "listening" | "thinking" | "speaking") | null;
  character?: string;
  portrait?: string;
  notice?: string;
}
export interface LobbyDestroyed {
  v?: 1;
  id?: string | null;
  seq?: number | null;
  ack?: number | null;
  lobby: string;
  peer?: string | null;
  epoch?: number | null;
  type: "lobby_destroyed";
  data: LobbyDestroyedData;
}
export interface LobbyDestroyedData {
  reason?: string;
}
/**
 * Answers join_lobby for a private lobby, while its hosts are asked. lobby_joined follows with the same
 * `id`, or the error `unknown_lobby`.
 */
export interface LobbyWaiting {
  v?: 1;
  id?: string | null;
  seq?: number | null;
  ack?: number | null;
  lobby: string;
  peer?: string | null;
  epoch?: number | null;
  type: "lobby_waiting";
  data: LobbyWaitingData;
}
export interface LobbyWaitingData {
  name: string;
}
/**
 * Tells hosts everyone who waits at the door, whenever that changes.
 */
export interface Knocking {
  v?: 1;
  id?: string | null;
  seq?: number | null;
  ack?: number | null;
  lobby: string;
  peer?: string | null;
  epoch?: number | null;
  type: "knocking";
  data: KnockingData;
}
export interface KnockingData {
  waiting: Visitor[];
}
/**
 * Somebody who waits at the door.
 */
export interface Visitor {
  id: string;
  name: string;
}
export interface LobbyFull {
  v?: 1;
  id?: string | null;
  seq?: number | null;
  ack?: number | null;
  lobby: string;
  peer?: string | null;
  epoch?: number | null;
  type: "lobby_full";
  data: LobbyFullData;
}
export interface LobbyFullData {
  limit: number;
}
export interface UserJoined {
  v?: 1;
  id?: string | null;
  seq?: number | null;
  ack?: number | null;
  lobby: string;
  peer?: string | null;
  epoch?: number | null;
  type: "user_joined";
  data: ParticipantData;
}
export interface ParticipantData {
  participant: ParticipantInfo;
}
export interface ParticipantUpdated {
  v?: 1;
  id?: string | null;
  seq?: number | null;
  ack?: number | null;
  lobby: string;
  peer?: string | null;
  epoch?: number | null;
  type: "participant_updated";
  data: ParticipantData;
}
export interface UserLeft {
  v?: 1;
  id?: string | null;
  seq?: number | null;
  ack?: number | null;
  lobby: string;
  peer?: string | null;
  epoch?: number | null;
  type: "user_left";
  data: UserLeftData;
}
export interface UserLeftData {
  participant_id: string;
  reason?: "left" | "lost" | "kicked" | "banned" | "removed";
}
/**
 * Begin a connection to `peer`, or a new one with a larger epoch.
 */
export interface StartWebrtcNegotiation {
  v?: 1;
  id?: string | null;
  seq?: number | null;
  ack?: number | null;
  lobby: string;
  peer: string;
  epoch: number;
  type: "start_webrtc_negotiation";
  data: StartWebrtcNegotiationData;
}
export interface StartWebrtcNegotiationData {
  role: "offerer" | "polite" | "impolite";
  ice_servers: IceServer[];
  receive?: string[];
  relay_only?: boolean;
}
/**
 * Offer again on the same connection, because the agents changed or two people lost their path.
 */
export interface RenegotiateRequest {
  v?: 1;
  id?: string | null;
  seq?: number | null;
  ack?: number | null;
  lobby: string;
  peer: string;
  epoch: number;
  type: "renegotiate_request";
  data: RenegotiateRequestData;
}
export interface RenegotiateRequestData {
  receive?: string[];
  ice_restart?: boolean;
}
/**
 * No connection to `peer` could be made. Chat and captions continue.
 */
export interface WebrtcFailed {
  v?: 1;
  id?: string | null;
  seq?: number | null;
  ack?: number | null;
  lobby: string;
  peer: string;
  epoch: number;
  type: "webrtc_failed";
  data: WebrtcFailedData;
}
export interface WebrtcFailedData {
  code: string;
  message: string;
  retryable: boolean;
}
export interface IceServers {
  v?: 1;
  id?: string | null;
  seq?: number | null;
  ack?: number | null;
  lobby?: string | null;
  peer?: string | null;
  epoch?: number | null;
  type: "ice_servers";
  data: IceServersData;
}
export interface IceServersData {
  ice_servers: IceServer[];
  expires_s?: number | null;
}
export interface AgentCreated {
  v?: 1;
  id?: string | null;
  seq?: number | null;
  ack?: number | null;
  lobby: string;
  peer?: string | null;
  epoch?: number | null;
  type: "agent_created";
  data: ParticipantData;
}
export interface AgentRemoved {
  v?: 1;
  id?: string | null;
  seq?: number | null;
  ack?: number | null;
  lobby: string;
  peer?: string | null;
  epoch?: number | null;
  type: "agent_removed";
  data: UserLeftData;
}
export interface AgentStateChanged {
  v?: 1;
  id?: string | null;
  seq?: number | null;
  ack?: number | null;
  lobby: string;
  peer?: string | null;
  epoch?: number | null;
  type: "agent_state";
  data: AgentStateData;
}
export interface AgentStateData {
  participant_id: string;
  state: "initializing" | "idle" | "listening" | "thinking" | "speaking";
}
export interface Transcript {
  v?: 1;
  id?: string | null;
  seq?: number | null;
  ack?: number | null;
  lobby: string;
  peer?: string | null;
  epoch?: number | null;
  type: "transcript";
  data: TranscriptData;
}
/**
 * A caption. The same `utterance_id` is sent again with more text until `final`.
 */
export interface TranscriptData {
  utterance_id: string;
  participant_id: string;
  name: string;
  text: string;
  final: boolean;
  t: number;
  interrupted?: boolean;
}
/**
 * The server stops soon and admits nobody new. Calls continue until then.
 */
export interface GoingAway {
  v?: 1;
  id?: string | null;
  seq?: number | null;
  ack?: number | null;
  lobby?: string | null;
  peer?: string | null;
  epoch?: number | null;
  type: "going_away";
  data: GoingAwayData;
}
export interface GoingAwayData {
  seconds: number;
  returning: boolean;
}
export interface Pong {
  v?: 1;
  id?: string | null;
  seq?: number | null;
  ack?: number | null;
  lobby?: string | null;
  peer?: string | null;
  epoch?: number | null;
  type: "pong";
  data?: Empty;
}
/**
 * `id` is that of the message that caused it, if there is one.
 */
export interface Error {
  v?: 1;
  id?: string | null;
  seq?: number | null;
  ack?: number | null;
  lobby?: string | null;
  peer?: string | null;
  epoch?: number | null;
  type: "error";
  data: ErrorData;
}
export interface ErrorData {
  code: string;
  message: string;
  hint?: string;
  retryable?: boolean;
}
