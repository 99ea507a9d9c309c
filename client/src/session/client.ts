import { createStore, type StoreApi } from "zustand/vanilla";
import type { Options } from "../options";
import type { ServerMessage } from "../protocol/messages";
import { Connections, type PeerReport } from "../rtc/connections";
import { type DeviceKind, listDevices, openDevice } from "../rtc/devices";
import { Levels } from "../rtc/levels";
import { deviceProblem } from "../rtc/problems";
import { ensureSession, lookUpLobby, Refusal, socketUrl } from "../signaling/endpoints";
import { type LinkChange, Signaling, type SignalingOptions } from "../signaling/signaling";
import { texts } from "../texts";
import { IceRefresh } from "./iceRefresh";
import { recall, remember } from "./memory";
import { entering, outside, reduce, withPeer, withToast } from "./reduce";
import { type DeviceState, initialState, type SessionState } from "./state";

export interface ClientParts {
  signaling?: Partial<SignalingOptions>;
  createConnection?: (configuration: RTCConfiguration) => RTCPeerConnection;
  open?: typeof openDevice;
  lookUp?: typeof lookUpLobby;
}

const QUALITY_MS = 2_000;
/** Under this id our own microphone's level is kept before we have a participant id. */
export const OWN_LEVEL = "self";

/** The whole client without its looks: state, signaling, connections and devices in one place. */
export class Client {
  readonly store: StoreApi<SessionState>;
  readonly connections: Connections;
  readonly levels: Levels;
  readonly options: Options;
  readonly #signaling: Signaling;
  readonly #open: typeof openDevice;
  readonly #lookUp: typeof lookUpLobby;
  readonly #tracks: Record<DeviceKind, MediaStreamTrack | null> = {
    microphone: null,
    camera: null,
  };
  /** Counts requests for each device, so that only the newest one's answer is used. */
  readonly #asked: Record<DeviceKind, number> = { microphone: 0, camera: 0 };
  readonly #iceRefresh: IceRefresh;
  #quality: ReturnType<typeof setInterval> | undefined;
  #creating: string | null = null;

  constructor(options: Options, parts: ClientParts = {}) {
    this.options = options;
    this.store = createStore(() => initialState(options.lobby, options.name || recall("name")));
    this.#open = parts.open ?? openDevice;
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
    this.levels = new Levels(() => this.connections.receivers);
    this.#signaling.onMessage((message) => this.#receive(message));
    this.#signaling.onLink((change) => this.#linked(change));
    this.connections.onReport((report) => this.#reported(report));
  }

  get state(): SessionState {
    return this.store.getState();
  }

  get microphone(): MediaStreamTrack | null {
    return this.#tracks.microphone;
  }

  get camera(): MediaStreamTrack | null {
    return this.#tracks.camera;
  }

  // ------------------------------------------------------------ finding a lobby

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
      this.store.setState({ phase: "gone", reason: "missing" });
      this.#release("microphone");
    } else if (found && !this.state.lobby) {
      this.store.setState({ lobby: { id, name: found.name, host_peer: null } });
    }
  }

  createLobby(name: string): void {
    this.#signaling.connect();
    this.#creating = this.#signaling.send({ type: "create_lobby", data: { name } });
  }

  visit(lobbyId: string | null): void {
    this.store.setState(entering(this.state, lobbyId), true);
    void this.peek();
  }

  // ------------------------------------------------------------ coming and going

  join(name: string): void {
    const { lobbyId, phase } = this.state;
    if (!lobbyId || phase === "joining" || phase === "lobby") return;
    remember("name", name);
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

  /** The page goes away: tell the others at once instead of letting them wait. */
  unload(): void {
    const { lobbyId, phase } = this.state;
    if (phase === "lobby" && lobbyId) {
      this.#signaling.send({ type: "leave_lobby", lobby: lobbyId, data: {} });
    }
    this.#end();
  }

  #sendJoin(): void {
    const { lobbyId, name, muted, camera } = this.state;
    if (!lobbyId) return;
    const listening = muted || this.#tracks.microphone === null;
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
    this.#release("microphone");
    this.#release("camera");
  }

  // ------------------------------------------------------------ in the lobby

  setMuted(muted: boolean): void {
    this.store.setState({ muted });
    if (this.#tracks.microphone) this.#tracks.microphone.enabled = !muted;
    this.#update({ muted: muted || this.#tracks.microphone === null });
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

  forgetAddingError(): void {
    this.store.setState({ addingError: null });
  }

  removeAgent(id: string): void {
    const { lobbyId } = this.state;
    if (!lobbyId) return;
    this.#signaling.send({ type: "agent_remove", lobby: lobbyId, data: { participant_id: id } });
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
  async openDevice(kind: DeviceKind, id: string = recall(kind)): Promise<void> {
    const asked = ++this.#asked[kind];
    this.#setDevice(kind, { status: "asking", problem: null });
    try {
      const track = await this.#open(kind, id || undefined);
      if (asked !== this.#asked[kind]) {
        track.stop();
        return;
      }
      await this.#use(kind, track, id);
    } catch (error) {
      if (asked !== this.#asked[kind]) return;
      const problem = deviceProblem(error, false);
      this.#setDevice(kind, { status: "problem", problem: problem.kind });
    }
  }

  async closeCamera(): Promise<void> {
    this.#release("camera");
    await this.connections.setCamera(null);
    this.#update({ camera: false });
  }

  async #use(kind: DeviceKind, track: MediaStreamTrack, id: string): Promise<void> {
    this.#tracks[kind]?.stop();
    this.#tracks[kind] = track;
    const deviceId = track.getSettings?.().deviceId ?? id;
    if (id) remember(kind, id);
    this.#setDevice(kind, { status: "on", problem: null, deviceId });
    track.onended = () => this.#unplugged(kind, track);
    if (kind === "microphone") {
      track.enabled = !this.state.muted;
      this.levels.setOwn(OWN_LEVEL, track);
      await this.connections.setMicrophone(track);
      this.#update({ muted: this.state.muted });
    } else {
      await this.connections.setCamera(track);
      this.#update({ camera: true });
    }
    // Only with permission do the devices have names.
    this.#setDevice(kind, { choices: await listDevices(kind).catch(() => []) });
  }

  #unplugged(kind: DeviceKind, track: MediaStreamTrack): void {
    if (this.#tracks[kind] !== track) return;
    this.#release(kind);
    this.#setDevice(kind, { status: "problem", problem: "missing" });
    this.say(texts.devices.unplugged[kind], texts.devices.unpluggedHint);
    if (kind === "camera") void this.connections.setCamera(null);
    else void this.connections.setMicrophone(null);
    this.#update(kind === "camera" ? { camera: false } : { muted: true });
  }

  #release(kind: DeviceKind): void {
    this.#asked[kind]++;
    const track = this.#tracks[kind];
    this.#tracks[kind] = null;
    if (track) {
      track.onended = null;
      track.stop();
    }
    if (kind === "microphone") this.levels.setOwn(OWN_LEVEL, null);
    this.#setDevice(kind, { status: "off", problem: null });
  }

  #setDevice(kind: DeviceKind, change: Partial<DeviceState>): void {
    this.store.setState({ [kind]: { ...this.state[kind], ...change } });
  }

  /** Tell the others what changed about us. */
  #update(data: { muted?: boolean; camera?: boolean }): void {
    const { phase, lobbyId } = this.state;
    if (phase !== "lobby" || !lobbyId) return;
    this.#signaling.send({ type: "participant_update", lobby: lobbyId, data });
  }

  // ------------------------------------------------------------ what comes in

  #receive(message: ServerMessage): void {
    this.store.setState(reduce(this.state, message));
    switch (message.type) {
      case "session_established":
        this.#established(message.data.resumed ?? false);
        break;
      case "session_expired":
      case "session_invalid":
        this.#finish("expired");
        break;
      case "lobby_created":
        if (message.id === this.#creating) history.pushState(null, "", `?lobby=${message.data.id}`);
        break;
      case "lobby_joined":
        this.connections.self = message.data.participant_id;
        this.#iceRefresh.expiresIn(message.data.ice_expires_s);
        this.#quality ??= setInterval(() => void this.#measure(), QUALITY_MS);
        break;
      case "ice_servers":
        this.connections.setIceServers(message.data.ice_servers);
        this.#iceRefresh.expiresIn(message.data.expires_s);
        break;
      case "lobby_destroyed":
      case "lobby_full":
        this.#end();
        break;
      case "user_left":
        if (this.state.phase === "lobby") this.connections.close(message.data.participant_id);
        else this.#end();
        break;
      case "agent_removed":
      case "lobby_state":
        this.#forgetHost();
        break;
      case "start_webrtc_negotiation":
        this.store.setState(
          withPeer(this.state, message.peer, message.epoch, { failure: null, ready: false }),
        );
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
      this.say(texts.errors.negotiation, String(error instanceof Error ? error.message : error));
    });
  }

  #established(resumed: boolean): void {
    const { phase } = this.state;
    if (phase === "joining") {
      this.#sendJoin();
    } else if (phase === "lobby" && !resumed) {
      // The server has forgotten us (it was restarted): come in again.
      this.connections.closeAll();
      this.store.setState({ peers: {}, version: -1 });
      this.#sendJoin();
    }
  }

  /** Without agents the server has closed its end of the host's connection without a word. */
  #forgetHost(): void {
    const { participants } = this.state;
    if (Object.values(participants).some(({ kind }) => kind === "agent")) return;
    for (const host of this.connections.closeHosts()) {
      const { [host]: _closed, ...peers } = this.state.peers;
      this.store.setState({ peers });
    }
  }

  #finish(phase: "expired" | "elsewhere"): void {
    this.#end();
    this.store.setState(outside(this.state, phase));
  }

  #linked({ state, reason, refusal }: LinkChange): void {
    this.store.setState({ link: state });
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
