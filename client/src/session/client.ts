import { createStore, type StoreApi } from "zustand/vanilla";
import type { Options } from "../options";
import type { CreateLobbyData } from "../protocol/messages";
import { Connections } from "../rtc/connections";
import type { DeviceKind, openDevice } from "../rtc/devices";
import { Levels } from "../rtc/levels";
import { type destroyLobby, ensureSession, lookUpLobby, socketUrl } from "../signaling/endpoints";
import { type Outgoing, Signaling, type SignalingOptions } from "../signaling/signaling";
import { Incoming } from "./incoming";
import { Chat } from "./lobby/chat";
import { IceRefresh } from "./lobby/iceRefresh";
import { LobbyLifecycle } from "./lobby/lobbyLifecycle";
import { recall } from "./lobby/memory";
import { Moderator } from "./lobby/moderator";
import { firstState } from "./lobby/reloadState";
import { TabLock } from "./lobby/tabLock";
import { OwnMedia } from "./media/ownMedia";
import { Peers } from "./media/peers";
import { asking } from "./reduce/reduceModeration";
import { showToast } from "./reduce/toasts";
import type { Asked, SessionState } from "./state";

export interface ClientParts {
  signaling?: Partial<SignalingOptions>;
  createConnection?: (configuration: RTCConfiguration) => RTCPeerConnection;
  open?: typeof openDevice;
  lookUp?: typeof lookUpLobby;
  destroy?: typeof destroyLobby;
  tabLock?: Pick<TabLock, "claim" | "release">;
}

/** The whole client without its user interface: state, signaling, connections and devices. */
export class Client {
  readonly store: StoreApi<SessionState>;
  readonly connections: Connections;
  readonly levels: Levels;
  readonly options: Options;
  readonly moderator: Moderator;
  readonly chat: Chat;
  readonly #signaling: Signaling;
  readonly #media: OwnMedia;
  readonly #peers: Peers;
  readonly #lifecycle: LobbyLifecycle;

  constructor(options: Options, parts: ClientParts = {}) {
    const { createConnection, open, destroy } = parts;
    const store = createStore(() => firstState(options.lobby, options.name || recall("name")));
    const signaling = new Signaling({
      url: socketUrl(),
      prepare: () => ensureSession(),
      ...parts.signaling,
    });
    const send = (message: Outgoing) => void signaling.send(message);
    const connections = new Connections({
      send,
      relayOnly: options.relay,
      ...(createConnection ? { createConnection } : {}),
    });
    const levels = new Levels(() => connections.receivers);
    const media = new OwnMedia({ store, connections, levels, send, ...(open ? { open } : {}) });
    const peers = new Peers(store, connections);
    const iceRefresh = new IceRefresh(() => send({ type: "ice_servers_request", data: {} }));
    const lifecycle = new LobbyLifecycle({
      store,
      signaling,
      media,
      peers,
      iceRefresh,
      tabLock: parts.tabLock ?? new TabLock(),
      lookUp: parts.lookUp ?? lookUpLobby,
    });
    const incoming = new Incoming({ store, lifecycle, connections, media, peers, iceRefresh });
    signaling.onMessage((message) => incoming.receive(message));

    this.options = options;
    this.store = store;
    this.connections = connections;
    this.levels = levels;
    this.chat = new Chat(store, signaling);
    this.moderator = new Moderator({
      lobby: () => (this.state.phase === "lobby" ? this.state.lobbyId : null),
      ask: (message, what) => this.#ask(message, what),
      ...(destroy ? { destroy } : {}),
    });
    this.#signaling = signaling;
    this.#media = media;
    this.#peers = peers;
    this.#lifecycle = lifecycle;
  }

  get state(): SessionState {
    return this.store.getState();
  }

  get microphone(): MediaStreamTrack | null {
    return this.#media.microphone;
  }

  get camera(): MediaStreamTrack | null {
    return this.#media.camera;
  }

  // ------------------------------------------------------------ coming and going

  /** What a page does when it has been loaded: go back to where it was, or show the door. */
  start(): Promise<void> {
    return this.#lifecycle.start();
  }

  /** Learn the lobby's name before joining, as far as the server tells it. */
  peek(): Promise<void> {
    return this.#lifecycle.peek();
  }

  createLobby(data: CreateLobbyData): void {
    this.#signaling.connect();
    const creating = this.#signaling.send({ type: "create_lobby", data });
    this.store.setState({ creating, creatingError: null });
  }

  visit(lobbyId: string | null): void {
    this.#lifecycle.visit(lobbyId);
  }

  join(name: string): void {
    this.levels.resume();
    this.#lifecycle.join(name);
  }

  leave(): void {
    this.#lifecycle.leave();
  }

  /** Stop waiting to be let in, or to come back. */
  turnAround(): void {
    this.#lifecycle.turnAround();
  }

  /** The page goes away. The server keeps the seat for a moment, so that a reload comes back. */
  unload(): void {
    this.#lifecycle.unload();
  }

  // ------------------------------------------------------------ in the lobby

  addAgent(description: string): void {
    const { lobbyId: lobby } = this.state;
    if (!lobby) return;
    const data = { description };
    const messageId = this.#signaling.send({ type: "agent_create", lobby, data });
    this.store.setState({ adding: { messageId, description }, addingError: null });
  }

  /** The dialog that shows how adding an agent goes is open, or not. */
  showAdding(addingShown: boolean): void {
    this.store.setState({ addingShown, addingError: null });
  }

  /** Ignore a host's request to mute. */
  stayUnmuted(): void {
    this.store.setState({ muteAsked: null });
  }

  retry(peer: string): void {
    this.#peers.retry(peer);
  }

  showToast(message: string, hint = "", level: "error" | "info" = "error"): void {
    showToast(this.store, message, hint, level);
  }

  dismiss(toast: number): void {
    this.store.setState({ toasts: this.state.toasts.filter(({ id }) => id !== toast) });
  }

  soundBlocked(blocked: boolean): void {
    if (this.state.soundBlocked !== blocked) this.store.setState({ soundBlocked: blocked });
  }

  // ------------------------------------------------------------ devices

  setMuted(muted: boolean): void {
    this.#media.setMuted(muted);
  }

  /** Open (or change) a device. Problems end up in the state, in terms a person can act upon. */
  openDevice(kind: DeviceKind, id?: string): Promise<void> {
    return this.#media.open(kind, id);
  }

  problemRead(kind: DeviceKind): void {
    this.#media.problemRead(kind);
  }

  closeCamera(): void {
    this.#media.closeCamera();
  }

  /** Ask for something that may be refused. */
  #ask(message: Outgoing, what: Asked): void {
    this.store.setState(asking(this.state, this.#signaling.send(message), what));
  }
}
