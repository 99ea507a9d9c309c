import type { StoreApi } from "zustand/vanilla";
import type { ServerMessage } from "../protocol/messages";
import type { Connections } from "../rtc/connections";
import type { IceRefresh } from "./lobby/iceRefresh";
import type { LobbyLifecycle } from "./lobby/lobbyLifecycle";
import type { OwnMedia } from "./media/ownMedia";
import type { Peers } from "./media/peers";
import { CAMERA_LIMIT, reduce } from "./reduce/reduce";
import type { Phase, SessionState } from "./state";

/** The server has ended our stay in the lobby. */
const OVER = new Set<Phase>(["gone", "full", "left"]);

export interface IncomingParts {
  store: StoreApi<SessionState>;
  lifecycle: LobbyLifecycle;
  connections: Connections;
  media: OwnMedia;
  peers: Peers;
  iceRefresh: IceRefresh;
}

/** A message of the server first changes the state, and then reaches the parts that act on it. */
export class Incoming {
  readonly #parts: IncomingParts;

  constructor(parts: IncomingParts) {
    this.#parts = parts;
  }

  receive(message: ServerMessage): void {
    const { store, lifecycle, connections, media, peers, iceRefresh } = this.#parts;
    const { phase: before, self } = store.getState();
    store.setState(reduce(store.getState(), message));
    const { phase } = store.getState();
    if (phase !== before && OVER.has(phase)) lifecycle.end();
    switch (message.type) {
      case "session_established":
        lifecycle.established(message.data);
        break;
      case "session_expired":
      case "session_invalid":
        lifecycle.finish("expired");
        break;
      case "lobby_created":
        if (before === "start") history.pushState(null, "", `?lobby=${message.data.id}`);
        break;
      case "lobby_joined":
        peers.joined(message.data.participant_id, self);
        media.joined();
        iceRefresh.expiresIn(message.data.ice_expires_s);
        break;
      case "ice_servers":
        connections.setIceServers(message.data.ice_servers);
        iceRefresh.expiresIn(message.data.expires_s);
        break;
      case "user_left":
      case "agent_removed":
      case "lobby_state":
        peers.closeAbsent();
        break;
      case "error":
        if (message.data.code === "not_resumable") lifecycle.forgotten();
        else if (message.data.code === CAMERA_LIMIT) media.closeCamera();
        break;
      case "start_webrtc_negotiation":
      case "renegotiate_request":
      case "webrtc_offer":
      case "webrtc_answer":
      case "ice_candidate":
      case "negotiation_needed":
        peers.receive(message);
        break;
      default:
        break;
    }
  }
}
