import { createStore, type StoreApi } from "zustand/vanilla";
import { deviceWords } from "../deviceWords";
import type { Options } from "../options";
import type { CreateLobbyData, ServerMessage, SessionEstablishedData } from "../protocol/messages";
import { Connections, type PeerReport } from "../rtc/connections";
import { type DeviceKind, openDevice } from "../rtc/devices";
import { Levels } from "../rtc/levels";
import {
  type destroyLobby,
  ensureSession,
  lookUpLobby,
  Refusal,
  socketUrl,
} from "../signaling/endpoints";
import {
  type LinkChange,
  type Outgoing,
  Signaling,
  type SignalingOptions,
} from "../signaling/signaling";
import { texts } from "../texts";
import { IceRefresh } from "./iceRefresh";
import { recall, remember } from "./memory";
import { Moderation } from "./moderation";
import { OwnDevices } from "./ownDevices";
import { CAMERA_LIMIT, ENTERING, entering, notAdded, outside, reduce, withPeer } from "./reduce";
import { asking } from "./reduceModeration";
import { Seat } from "./seat";
import type { Asked, Phase, SessionState } from "./state";
import { atFirst, forgetStay, recallStay, reopen, StayKeeper } from "./stay";
import { withToast } from "./toasts";

export interface ClientParts {
  signaling?: Partial<SignalingOptions>;
  createConnection?: (configuration: RTCConfiguration) => RTCPeerConnection;
  open?: typeof openDevice;
  lookUp?: typeof lookUpLobby;
  destroy?: typeof destroyLobby;
  seat?: Pick<Seat, "claim" | "release">;
}

const QUALITY_MS = 2_000;
/** The server has ended the stay. */
const OVER = new Set<Phase>(["gone", "full", "left"]);
/** The page before a reload lets go of the seat at once; another tab does not. */
const OTHER_TAB_MS = 1_000;
/** Under this id our own microphone's level is kept before we have a participant id. */
export const OWN_LEVEL = "self";

/** The whole client without its looks: state, signaling, connections and devices in one place. */
export class Client {
  readonly store: StoreApi<SessionState>;
  readonly connections: Connections;
  readonly levels: Levels;
  readonly options: Options;
  readonly moderation: Moderation;
  readonly #signaling: Signaling;
  readonly #lookUp: typeof lookUpLobby;
  readonly #devices: OwnDevices;
  readonly #iceRefresh: IceRefresh;
  readonly #seat: Pick<Seat, "claim" | "release">;
  readonly #stay: StayKeeper;
  /** The devices are open, or will take longer: a reloaded page may join again. */
  #returns = false;
  #quality: ReturnType<typeof setInterval> | undefined;

  constructor(options: Options, parts: ClientParts = {}) {
    this.options = options;
    this.store = createStore(() => atFirst(options.lobby, options.name || recall("name")));
    this.#seat = parts.seat ?? new Seat();
    this.#devices = new OwnDevices({
      open: parts.open ?? openDevice,
      changed: (kind, change) =>
        this.store.setState({ [kind]: { ...this.state[kind], ...change } }),
      used: (kind, track) => this.#deviceUsed(kind, track),
      released: (kind) => this.#deviceReleased(kind),
      unplugged: (kind) => this.#unplugged(kind),
      kept: (kind, problem) => {
        const { title, hint } = deviceWords(kind, problem);
        this.say(title, `${hint} ${texts.devices.kept}`);
      },
    });
    this.#lookUp = parts.lookUp ?? lookUpLobby;
    this.#signaling = new Signaling({
      url: socketUrl(),
      prepare: () => ensureSession(),
      ...parts.signaling,
    });
    this.connections = new Connections({
      send: (message) => void this.#signaling.send(message),
      relayOnly: options.relay,
      ...(parts.createConnection ? { createConnection: parts.createConnection } : {}),
    });
    this.#iceRefresh = new IceRefresh(
      () => void this.#signaling.send({ type: "ice_servers_request", data: {} }),
    );
    this.moderation = new Moderation({
      lobby: () => (this.state.phase === "lobby" ? this.state.lobbyId : null),
      ask: (message, what) => this.#ask(message, what),
      ...(parts.destroy ? { destroy: parts.destroy } : {}),
    });
    this.levels = new Levels(() => this.connections.receivers);
    this.#signaling.onMessage((message) => this.#receive(message));
    this.#signaling.onLink((change) => this.#linked(change));
    this.connections.onReport((report) => this.#reported(report));
    this.#stay = new StayKeeper(this.store);
  }

  get state(): SessionState {
    return this.store.getState();
  }

  get microphone(): MediaStreamTrack | null {
    return this.#devices.microphone;
  }

  get camera(): MediaStreamTrack | null {
    return this.#devices.camera;
  }

  // ------------------------------------------------------------ finding a lobby

  /** What a page does when it has been loaded: go back to where it was, or show the door. */
  async start(): Promise<void> {
    if (this.state.phase === "returning") await this.#comeBack();
    else await this.peek();
  }

  /** Learn the lobby's name before joining, as far as the server tells it. */
  async peek(): Promise<void> {
    const id = this.state.lobbyId;
    if (!id || this.state.lobby) return;
    const found = await this.#lookUp(id).catch((error: unknown) =>
      error instanceof Refusal ? error : null,
    );
    if (this.state.lobbyId !== id || this.state.phase !== "prejoin") return;
    if (found instanceof Refusal) {
      this.#refused(found);
      return;
    }
    if (found === "missing") {
      this.#end();
      this.store.setState({ phase: "gone", reason: "missing" });
    } else if (found && !this.state.lobby) {
      const { name, knock } = found;
      this.store.setState({ lobby: { id, name, host_peer: null }, knock });
    }
  }

  createLobby(data: CreateLobbyData): void {
    this.#signaling.connect();
    const creating = this.#signaling.send({ type: "create_lobby", data });
    this.store.setState({ creating, creatingError: null });
  }

  visit(lobbyId: string | null): void {
    this.store.setState(entering(this.state, lobbyId), true);
    void this.peek();
  }

  // ------------------------------------------------------------ coming and going

  join(name: string): void {
    const { lobbyId, phase } = this.state;
    if (!lobbyId || phase === "lobby" || ENTERING.has(phase)) return;
    remember("name", name);
    void this.#seat.claim();
    this.store.setState({
      ...entering(this.state, lobbyId),
      lobby: this.state.lobby,
      name,
      phase: "joining",
    });
    this.levels.resume();
    if (this.#signaling.state === "open") this.#sendJoin();
    // Otherwise the join goes out as soon as the session is there.
    else this.#signaling.connect();
  }

  leave(): void {
    const { lobbyId } = this.state;
    if (lobbyId) this.#signaling.send({ type: "leave_lobby", lobby: lobbyId, data: {} });
    this.#end();
    this.store.setState(outside(this.state, "left"));
  }

  /** Wait no longer to be let in, or to be back. */
  turnAround(): void {
    const { lobbyId, phase } = this.state;
    if (phase === "waiting" && lobbyId) {
      this.#signaling.send({ type: "leave_lobby", lobby: lobbyId, data: {} });
    }
    this.#toTheDoor();
  }

  /** The page goes away. The server keeps the seat for a moment, so that a reload comes back. */
  unload(): void {
    this.#stay.keep();
    this.#end();
  }

  /** Back to where this tab was before it was loaded again. */
  async #comeBack(): Promise<void> {
    const stay = recallStay(this.state.lobbyId);
    if (!(await this.#seat.claim(OTHER_TAB_MS))) {
      // A duplicate of a tab that is live: that one keeps the seat until a person decides.
      this.#toTheDoor();
      return;
    }
    if (this.state.phase !== "returning") return;
    this.#signaling.connect();
    if (stay) await reopen(stay, (kind) => this.#reopen(kind));
    this.#returns = true;
    if (this.state.phase === "returning" && this.#signaling.state === "open") this.#sendJoin();
  }

  async #reopen(kind: DeviceKind): Promise<void> {
    await this.openDevice(kind);
    const { problem } = this.state[kind];
    if (!problem) return;
    const { title, hint } = deviceWords(kind, problem);
    this.say(title, kind === "microphone" ? `${hint} ${texts.devices.listening}` : hint);
  }

  /** Show the page before joining; what was open stays open for it. */
  #toTheDoor(): void {
    forgetStay();
    this.#seat.release();
    this.#signaling.close();
    this.store.setState({ ...outside(this.state, "prejoin"), timeline: [] });
    void this.peek();
  }

  #sendJoin(): void {
    const { lobbyId, name, muted, camera } = this.state;
    if (!lobbyId) return;
    const listening = muted || this.#devices.microphone === null;
    this.#signaling.send({
      type: "join_lobby",
      lobby: lobbyId,
      data: { name, muted: listening, camera: camera.status === "on" },
    });
  }

  #end(): void {
    clearInterval(this.#quality);
    this.#quality = undefined;
    this.#iceRefresh.stop();
    this.connections.closeAll();
    this.#signaling.close();
    this.#seat.release();
    this.#devices.release("microphone");
    this.#devices.release("camera");
  }

  // ------------------------------------------------------------ in the lobby

  setMuted(muted: boolean): void {
    this.store.setState(muted ? { muted, muteAsked: null } : { muted });
    if (this.#devices.microphone) this.#devices.microphone.enabled = !muted;
    this.#update({ muted: muted || this.#devices.microphone === null });
  }

  addAgent(description: string): void {
    const { lobbyId } = this.state;
    if (!lobbyId) return;
    const messageId = this.#signaling.send({
      type: "agent_create",
      lobby: lobbyId,
      data: { description },
    });
    this.store.setState({ adding: { messageId, description }, addingError: null });
  }

  /** The dialog that shows how adding an agent goes is open, or not. */
  showAdding(addingShown: boolean): void {
    this.store.setState({ addingShown, addingError: null });
  }

  /** Another person's wish that we mute is not followed. */
  stayUnmuted(): void {
    this.store.setState({ muteAsked: null });
  }

  chat(text: string): void {
    const { lobbyId } = this.state;
    if (lobbyId && text.trim()) {
      this.#signaling.send({ type: "chat_message", lobby: lobbyId, data: { text: text.trim() } });
    }
  }

  retry(peer: string): void {
    const known = this.state.peers[peer];
    if (!known) return;
    this.store.setState(withPeer(this.state, peer, known.epoch, { failure: null, state: "new" }));
    this.connections.retry(peer, known.epoch);
  }

  say(message: string, hint = "", level: "error" | "info" = "error"): void {
    this.store.setState(withToast(this.state, level, { code: "client", message, hint }));
  }

  dismiss(toast: number): void {
    this.store.setState({ toasts: this.state.toasts.filter(({ id }) => id !== toast) });
  }

  soundBlocked(blocked: boolean): void {
    if (this.state.soundBlocked !== blocked) this.store.setState({ soundBlocked: blocked });
  }

  // ------------------------------------------------------------ devices

  /** Open (or change) a device. Problems end up in the state, in terms a person can act upon. */
  openDevice(kind: DeviceKind, id?: string): Promise<void> {
    return this.#devices.open(kind, id);
  }

  closeCamera(): void {
    this.#devices.release("camera");
    this.#update({ camera: false });
  }

  async #deviceUsed(kind: DeviceKind, track: MediaStreamTrack): Promise<void> {
    if (kind === "microphone") {
      track.enabled = !this.state.muted;
      this.levels.setOwn(OWN_LEVEL, track);
      await this.connections.setMicrophone(track);
      this.#update({ muted: this.state.muted });
    } else {
      await this.connections.setCamera(track);
      this.#update({ camera: true });
    }
  }

  #deviceReleased(kind: DeviceKind): void {
    if (kind === "microphone") {
      this.levels.setOwn(OWN_LEVEL, null);
      void this.connections.setMicrophone(null);
    } else {
      void this.connections.setCamera(null);
    }
  }

  #unplugged(kind: DeviceKind): void {
    // Outside of a lobby, what there is to choose from is on the page.
    const hint = this.state.phase === "lobby" ? texts.devices.unpluggedHint : "";
    this.say(texts.devices.unplugged[kind], hint);
    this.#update(kind === "camera" ? { camera: false } : { muted: true });
  }

  /** Ask for something that may be refused. */
  #ask(message: Outgoing, what: Asked): void {
    this.store.setState(asking(this.state, this.#signaling.send(message), what));
  }

  /** Tell the others what changed about us. */
  #update(data: { muted?: boolean; camera?: boolean }): void {
    const { phase, lobbyId } = this.state;
    if (phase !== "lobby" || !lobbyId) return;
    this.#signaling.send({ type: "participant_update", lobby: lobbyId, data });
  }

  // ------------------------------------------------------------ what comes in

  #receive(message: ServerMessage): void {
    const { phase: before, self } = this.state;
    this.store.setState(reduce(this.state, message));
    const { phase } = this.state;
    if (phase !== before && OVER.has(phase)) this.#end();
    switch (message.type) {
      case "session_established":
        this.#established(this.#hasSeat(message.data));
        break;
      case "session_expired":
      case "session_invalid":
        this.#finish("expired");
        break;
      case "lobby_created":
        if (before === "start") history.pushState(null, "", `?lobby=${message.data.id}`);
        break;
      case "lobby_joined":
        if (message.data.participant_id !== self) this.#forgetPeers();
        this.connections.self = message.data.participant_id;
        this.#iceRefresh.expiresIn(message.data.ice_expires_s);
        this.#quality ??= setInterval(() => void this.#measure(), QUALITY_MS);
        break;
      case "ice_servers":
        this.connections.setIceServers(message.data.ice_servers);
        this.#iceRefresh.expiresIn(message.data.expires_s);
        break;
      case "user_left":
      case "agent_removed":
      case "lobby_state":
        this.#closeAbsent();
        break;
      case "error":
        if (message.data.code === "not_resumable") this.#established(false);
        else if (message.data.code === CAMERA_LIMIT) this.closeCamera();
        break;
      case "start_webrtc_negotiation":
        this.store.setState(withPeer(this.state, message.peer, message.epoch, { failure: null }));
        this.#route(message);
        break;
      case "renegotiate_request":
      case "webrtc_offer":
      case "webrtc_answer":
      case "ice_candidate":
      case "negotiation_needed":
        this.#route(message);
        break;
      default:
        break;
    }
  }

  #route(message: Parameters<Connections["receive"]>[0]): void {
    this.connections.receive(message).catch((error: unknown) => {
      console.error(error);
      this.say(texts.errors.negotiation.message, texts.errors.negotiation.hint);
    });
  }

  #established(resumed: boolean): void {
    const { phase, adding } = this.state;
    // The server may take the wish for a repeated one, and never answer it.
    if (!resumed && adding) {
      this.store.setState(notAdded(this.state, { code: "client", ...texts.addAgent.lost }));
    }
    if (phase === "joining" || phase === "waiting") {
      this.#sendJoin();
    } else if (phase === "returning") {
      if (!resumed) this.#toTheDoor();
      else if (this.#returns) this.#sendJoin();
    } else if (phase === "lobby") {
      // The server has forgotten us: come in again. What is still heard is let go when that is done.
      if (!resumed) this.#sendJoin();
      else this.connections.repeat();
      this.#iceRefresh.check();
    }
  }

  /** Whether the session still has the seat that this page is in, or comes back to. */
  #hasSeat({ resumed, lobby, participant_id }: SessionEstablishedData): boolean {
    const { lobbyId, self } = this.state;
    const elsewhere = lobby != null && lobby !== lobbyId;
    const another = self !== null && participant_id != null && participant_id !== self;
    return (resumed ?? false) && !elsewhere && !another;
  }

  /** Connections that were made for another seat. */
  #forgetPeers(): void {
    this.connections.closeAll();
    this.store.setState({ peers: {} });
  }

  /** Let go of the connections to people who have left, and, without agents, of the host's: the
   * server has closed its end of that without a word. */
  #closeAbsent(): void {
    const { participants } = this.state;
    const agents = Object.values(participants).some(({ kind }) => kind === "agent");
    for (const peer of this.connections.closeAbsent(new Set(Object.keys(participants)), agents)) {
      const { [peer]: _closed, ...peers } = this.state.peers;
      this.store.setState({ peers });
    }
  }

  #finish(phase: "expired" | "elsewhere"): void {
    this.#end();
    this.store.setState(outside(this.state, phase));
  }

  #linked({ state, reason, refusal }: LinkChange): void {
    const again = this.state.link === "reconnecting" && state === "open";
    // Asked for before, a lobby may have been made without a word of it reaching us.
    this.store.setState(again ? { link: state, creating: null } : { link: state });
    if (reason === "expired" || reason === "elsewhere") this.#finish(reason);
    else if (reason === "refused") {
      this.#refused(refusal);
    }
  }

  #refused(refusal: Refusal | undefined): void {
    this.#end();
    this.store.setState({ ...outside(this.state, "refused"), reason: refusal?.code ?? "" });
  }

  #reported({ peer, epoch, state, route }: PeerReport): void {
    const known = this.state.peers[peer];
    // Once the server has given up and said why, our own side's end of it is no news.
    if (known?.failure && state !== "connected") return;
    const change = route ? { state, route } : { state };
    this.store.setState(withPeer(this.state, peer, epoch, change));
  }

  async #measure(): Promise<void> {
    const qualities = await this.connections.quality().catch(() => new Map());
    let next = this.state;
    for (const [peer, quality] of qualities) {
      const known = next.peers[peer];
      if (known) next = withPeer(next, peer, known.epoch, { quality });
    }
    this.store.setState(next);
  }
}
