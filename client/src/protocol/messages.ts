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
 * Make a lobby; answered by lobby_created.
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
 * Enter a lobby under a name; answered by lobby_joined, then lobby_state. With one camera too
 * many one is in with the camera off, and the error `camera_limit` follows.
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
 * A host changes the lobby; everyone gets lobby_state. `moderation` locks it.
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
 * What is left out stays as it is.
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
 * No content.
 */
export interface Empty {}
/**
 * After a reconnect: replay what came after `last_seq`, or send lobby_state anew.
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
 * To another person it is relayed; to the host peer it is answered by webrtc_answer.
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
 * A session description. `tracks` maps each mid to the participant who sends on it.
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
 * RTCIceCandidateInit; an empty `candidate` means end-of-candidates.
 */
export interface Candidate {
  candidate: string;
  sdp_mid?: string | null;
  sdp_m_line_index?: number | null;
  username_fragment?: string | null;
}
/**
 * A person's side wants to renegotiate with `peer`; relayed to it. After webrtc_failed it
 * asks for another attempt.
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
 * Media flows between the two ends of this epoch.
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
 * Change oneself. One camera too many is answered by the error `camera_limit`, and stays off.
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
 * Mute one agent for everyone; told by participant_updated.
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
 * A host moderates, anyone reports. What was carried out is echoed to its author with the `id`,
 * and told to whom it concerns.
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
 * The session is over; load the page again. The socket closes with 4401.
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
 * No session came with the socket, or not one of ours. The socket closes with 4401.
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
 * A person or an agent, as everyone in the lobby sees it.
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
 * The answer to join_lobby at a private lobby: a host is asked. lobby_joined follows with the same
 * `id`, or an error `unknown_lobby`.
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
 * To hosts: everyone who waits to be admitted, each time that changes.
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
 * Somebody at the door.
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
 * Begin (or begin anew, with a larger epoch) the connection to `peer`.
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
 * Offer again on the same connection: the host's agents changed, or the path between two people
 * was lost.
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
 * No connection to `peer` could be made; chat and captions go on.
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
 * The server stops soon: it takes nobody new, and calls go on until then.
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
 * `id` is that of the message it answers, if there is one.
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
