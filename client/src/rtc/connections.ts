import type { IceServer, ServerMessage } from "../protocol/messages";
import type { Outgoing } from "../signaling/signaling";
import { Subscribers, type Unsubscribe } from "../subscribers";
import { HostPeer } from "./host";
import { PersonPeer } from "./person";
import { type Quality, QualityProbe } from "./route";
import type { TransportState, TransportStatus } from "./transport";

type Peer = HostPeer | PersonPeer;

export interface PeerReport extends TransportStatus {
  peer: string;
  epoch: number;
}

export interface ConnectionsOptions {
  send: (message: Outgoing) => void;
  /** Force every connection through a relay. */
  relayOnly: boolean;
  createConnection?: (configuration: RTCConfiguration) => RTCPeerConnection;
}

/** One end's connections: at most one that works and one being made for each peer. */
interface Slot {
  current: Peer;
  /** The repair, of a later epoch; takes over once it is connected. */
  next: Peer | null;
}

/** How long a repair that is connected waits for voices to arrive on it; silent agents send none. */
const HAND_OVER_MS = 1_000;
const LOOK_EVERY_MS = 50;

/** A path that was there and is lost may come back. */
const WORKING = new Set<TransportState>(["connected", "disconnected"]);

/** What the server says of one connection. */
export type Routed = Extract<
  ServerMessage,
  {
    type:
      | "start_webrtc_negotiation"
      | "renegotiate_request"
      | "webrtc_offer"
      | "webrtc_answer"
      | "ice_candidate"
      | "negotiation_needed";
  }
>;

/** All WebRTC connections of this browser, by peer. Messages of an older epoch are ignored. */
export class Connections {
  readonly #options: ConnectionsOptions;
  readonly #slots = new Map<string, Slot>();
  readonly #reports = new Subscribers<PeerReport>();
  readonly #changes = new Subscribers<void>();
  /** Repairs that are connected and wait for voices. */
  readonly #arriving = new WeakSet<Peer>();
  readonly #probes = new WeakMap<Peer, QualityProbe>();
  #self = "";
  #microphone: MediaStreamTrack | null = null;
  #camera: MediaStreamTrack | null = null;
  #streams: ReadonlyMap<string, MediaStream> = new Map();

  constructor(options: ConnectionsOptions) {
    this.#options = options;
  }

  /** Our own participant id in the lobby. */
  set self(id: string) {
    this.#self = id;
  }

  /** What is received, by participant: a new map for every change. */
  get streams(): ReadonlyMap<string, MediaStream> {
    return this.#streams;
  }

  onStreams(listener: () => void): Unsubscribe {
    return this.#changes.add(listener);
  }

  onReport(listener: (report: PeerReport) => void): Unsubscribe {
    return this.#reports.add(listener);
  }

  /** The audio receivers of each participant, to read levels from. */
  get receivers(): ReadonlyMap<string, RTCRtpReceiver[]> {
    const all = new Map<string, RTCRtpReceiver[]>();
    for (const [id, { current }] of this.#slots) {
      if (current instanceof HostPeer) {
        for (const [agent, receivers] of current.receivers) all.set(agent, receivers);
      } else {
        all.set(id, current.receivers);
      }
    }
    return all;
  }

  async receive(message: Routed): Promise<void> {
    const { peer, epoch } = message;
    if (message.type === "start_webrtc_negotiation") {
      await this.#start(message);
      return;
    }
    const target = this.#find(peer, epoch);
    if (!target) return;
    switch (message.type) {
      case "renegotiate_request":
        if (target instanceof HostPeer) await target.renegotiate(message.data.receive ?? []);
        else if (message.data.ice_restart) target.restart();
        break;
      case "webrtc_offer":
        if (target instanceof PersonPeer) await target.onOffer(message.data);
        break;
      case "webrtc_answer":
        await target.onAnswer(message.data);
        break;
      case "ice_candidate":
        await target.addCandidate(message.data);
        break;
      case "negotiation_needed":
        if (target instanceof PersonPeer) target.onNegotiationNeeded();
        break;
    }
  }

  async setMicrophone(track: MediaStreamTrack | null): Promise<void> {
    this.#microphone = track;
    await Promise.all(this.#peers().map((peer) => peer.setMicrophone(track)));
  }

  async setCamera(track: MediaStreamTrack | null): Promise<void> {
    this.#camera = track;
    await Promise.all(
      this.#peers().map((peer) => (peer instanceof PersonPeer ? peer.setCamera(track) : undefined)),
    );
  }

  /** Fresh TURN credentials: what is open uses them from its next gathering on. A connection that
   * begins later brings its own. */
  setIceServers(iceServers: IceServer[]): void {
    for (const { transport } of this.#peers()) transport.setIceServers(iceServers);
  }

  /** Ask for a new attempt after the server gave up. */
  retry(peer: string, epoch: number): void {
    this.#options.send({ type: "negotiation_needed", peer, epoch, data: {} });
  }

  /** Tell the server how every connection stands: it may have been restarted, and what was told while
   * there was no socket may be lost. */
  repeat(): void {
    for (const { transport } of this.#peers()) transport.repeat();
  }

  async quality(): Promise<Map<string, Quality>> {
    const result = new Map<string, Quality>();
    for (const [id, { current }] of this.#slots) {
      if (current.transport.status.state !== "connected") continue;
      const probe = this.#probes.get(current) ?? new QualityProbe();
      this.#probes.set(current, probe);
      result.set(id, await probe.read(current.transport.pc));
    }
    return result;
  }

  close(peer: string): void {
    const slot = this.#slots.get(peer);
    if (!slot) return;
    this.#slots.delete(peer);
    slot.current.close();
    slot.next?.close();
    this.#publish();
  }

  /** Close the connections to people who are not `present`, and those to hosts unless there are
   * `agents`. Returns the peers that were closed. */
  closeAbsent(present: ReadonlySet<string>, agents: boolean): string[] {
    const absent = [...this.#slots]
      .filter(([id, { current }]) => !(current instanceof HostPeer ? agents : present.has(id)))
      .map(([id]) => id);
    for (const id of absent) this.close(id);
    return absent;
  }

  closeAll(): void {
    for (const peer of [...this.#slots.keys()]) this.close(peer);
  }

  async #start(
    message: Extract<ServerMessage, { type: "start_webrtc_negotiation" }>,
  ): Promise<void> {
    const { peer: id, epoch, data } = message;
    const slot = this.#slots.get(id);
    const newest = slot ? (slot.next ?? slot.current).transport.epoch : 0;
    if (epoch <= newest) return;
    if (slot?.next?.transport.status.state === "connected") this.#promote(slot);
    const peer = this.#create(id, epoch, data.role, data.ice_servers, {
      relayOnly: data.relay_only ?? false,
      receive: data.receive ?? [],
    });
    if (!slot) {
      this.#slots.set(id, { current: peer, next: null });
    } else if (WORKING.has(slot.current.transport.status.state)) {
      // Make before break: the old one is heard, or may be again, until the new one works.
      slot.next?.close();
      slot.next = peer;
    } else {
      slot.next?.close();
      slot.current.close();
      this.#slots.set(id, { current: peer, next: null });
    }
    this.#publish();
    this.#reports.emit({ peer: id, epoch, state: "new" });
    await peer.start();
  }

  #create(
    id: string,
    epoch: number,
    role: "offerer" | "polite" | "impolite",
    iceServers: IceServer[],
    { relayOnly, receive }: { relayOnly: boolean; receive: string[] },
  ): Peer {
    const { send, createConnection } = this.#options;
    let peer: Peer;
    const common = {
      peer: id,
      epoch,
      iceServers,
      relayOnly: relayOnly || this.#options.relayOnly,
      send,
      microphone: this.#microphone,
      onStatus: (status: TransportStatus) => this.#changed(id, peer, status),
      ...(createConnection ? { createConnection } : {}),
    };
    if (role === "offerer") {
      const onStreams = () => this.#publish();
      peer = new HostPeer({ ...common, self: this.#self, receive, onStreams });
    } else {
      const polite = role === "polite";
      const onStream = () => this.#publish();
      peer = new PersonPeer({ ...common, polite, camera: this.#camera, onStream });
    }
    return peer;
  }

  #changed(id: string, peer: Peer, status: TransportStatus): void {
    const slot = this.#slots.get(id);
    if (!slot || (slot.current !== peer && slot.next !== peer)) return;
    if (slot.next?.transport.status.state === "connected") {
      const playing = slot.current.transport.status.state === "connected";
      if (!playing || !(slot.next instanceof HostPeer)) this.#promote(slot);
      else if (!this.#arriving.has(slot.next)) void this.#handOver(slot, slot.next);
    }
    this.#reports.emit({ peer: id, epoch: peer.transport.epoch, ...status });
  }

  /** The server speaks on both connections until the old one is closed: play that one until the
   * other is heard too, or the words that are on their way would be missed. */
  async #handOver(slot: Slot, next: HostPeer): Promise<void> {
    this.#arriving.add(next);
    for (let waited = 0; waited < HAND_OVER_MS; waited += LOOK_EVERY_MS) {
      if (slot.next !== next || (await next.receiving().catch(() => false))) break;
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
    if (slot.next === next && !next.transport.closed) this.#promote(slot);
  }

  /** The repair takes over. */
  #promote(slot: Slot): void {
    if (!slot.next) return;
    const old = slot.current;
    slot.current = slot.next;
    slot.next = null;
    this.#publish();
    old.close();
  }

  #find(id: string, epoch: number): Peer | undefined {
    const slot = this.#slots.get(id);
    return [slot?.current, slot?.next].find((peer) => peer?.transport.epoch === epoch) ?? undefined;
  }

  #peers(): Peer[] {
    return [...this.#slots.values()].flatMap(({ current, next }) =>
      next ? [current, next] : [current],
    );
  }

  #publish(): void {
    const streams = new Map<string, MediaStream>();
    for (const [id, { current }] of this.#slots) {
      if (current instanceof HostPeer) {
        for (const [agent, stream] of current.streams) streams.set(agent, stream);
      } else if (current.stream) {
        streams.set(id, current.stream);
      }
    }
    this.#streams = streams;
    this.#changes.emit();
  }
}
