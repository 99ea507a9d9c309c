import type { Candidate, IceServer } from "../protocol/messages";
import type { Outgoing } from "../signaling/signaling";
import { type Route, selectedRoute } from "./route";

export type TransportState = RTCPeerConnectionState;

export interface TransportStatus {
  state: TransportState;
  route?: Route;
  reason?: string;
}

export interface TransportOptions {
  peer: string;
  epoch: number;
  iceServers: IceServer[];
  relayOnly: boolean;
  send: (message: Outgoing) => void;
  onStatus: (status: TransportStatus) => void;
  createConnection?: (configuration: RTCConfiguration) => RTCPeerConnection;
}

const GATHERING_MS = 8_000;
const CONNECTING_MS = 15_000;
const DISCONNECTED_MS = 4_000;

/** One RTCPeerConnection of one epoch: candidates in and out, state and its time limits.
 *
 * Who offers what is the business of HostPeer and PersonPeer. */
export class Transport {
  readonly pc: RTCPeerConnection;
  readonly #options: TransportOptions;
  readonly #early: Candidate[] = [];
  #status: TransportStatus = { state: "new" };
  #gathering: ReturnType<typeof setTimeout> | undefined;
  #deadline: ReturnType<typeof setTimeout> | undefined;
  #grace: ReturnType<typeof setTimeout> | undefined;
  #ended = false;
  /** Of the gathering under way; a restart of ICE begins another one. */
  #ufrag: string | undefined;
  #candidates = 0;
  #closed = false;

  constructor(options: TransportOptions) {
    this.#options = options;
    const create = options.createConnection ?? ((config) => new RTCPeerConnection(config));
    this.pc = create(this.#configuration(options.iceServers));
    this.pc.onicecandidate = ({ candidate }) => this.#candidate(candidate);
    this.pc.onconnectionstatechange = () => this.#changed();
  }

  get status(): TransportStatus {
    return this.#status;
  }

  get closed(): boolean {
    return this.#closed;
  }

  get epoch(): number {
    return this.#options.epoch;
  }

  /** Send within this peer and epoch. */
  offer(sdp: string, tracks: Record<string, string> = {}): void {
    const { peer, epoch, send } = this.#options;
    send({ type: "webrtc_offer", peer, epoch, data: { sdp, tracks } });
    this.#described(sdp);
  }

  answer(sdp: string): void {
    const { peer, epoch, send } = this.#options;
    send({ type: "webrtc_answer", peer, epoch, data: { sdp, tracks: {} } });
    this.#described(sdp);
  }

  /** Our own description has been sent. */
  #described(sdp: string): void {
    const ufrag = /^a=ice-ufrag:(.*)$/m.exec(sdp)?.[1];
    if (ufrag !== this.#ufrag) {
      this.#ufrag = ufrag;
      this.#ended = false;
    }
    this.#watchGathering();
    this.#deadline ??= setTimeout(() => {
      this.fail("no connection within 15 seconds");
    }, CONNECTING_MS);
  }

  askToNegotiate(): void {
    const { peer, epoch, send } = this.#options;
    send({ type: "negotiation_needed", peer, epoch, data: {} });
  }

  /** A candidate of the other end; those that come before its description wait for it. One that
   * cannot be used costs one path, not the connection. */
  async addCandidate(candidate: Candidate): Promise<void> {
    if (this.#closed) return;
    if (!this.pc.remoteDescription) {
      this.#early.push(candidate);
      return;
    }
    const { candidate: line, sdp_mid, sdp_m_line_index, username_fragment } = candidate;
    const init = {
      candidate: line,
      sdpMid: sdp_mid ?? null,
      sdpMLineIndex: sdp_m_line_index ?? null,
      ...(username_fragment ? { usernameFragment: username_fragment } : {}),
    };
    await this.pc.addIceCandidate(line === "" ? undefined : init).catch(() => {});
  }

  /** To be called when the other end's description has been set. */
  async described(): Promise<void> {
    for (const candidate of this.#early.splice(0)) await this.addCandidate(candidate);
  }

  /** Report that this epoch cannot work; the server decides what comes next. */
  fail(reason: string): void {
    if (this.#closed || this.#status.state === "connected" || this.#status.state === "failed")
      return;
    this.#report({ state: "failed", reason });
  }

  /** Say once more how it stands, since nobody knows what of it has arrived. */
  repeat(): void {
    if (!this.#closed && this.#status.state !== "new") this.#send(this.#status);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#gathering);
    clearTimeout(this.#deadline);
    clearTimeout(this.#grace);
    this.pc.onicecandidate = null;
    this.pc.onconnectionstatechange = null;
    this.pc.onnegotiationneeded = null;
    this.pc.ontrack = null;
    this.pc.close();
  }

  #watchGathering(): void {
    if (this.#gathering !== undefined || this.#ended) return;
    this.#gathering = setTimeout(() => this.#endOfCandidates(), GATHERING_MS);
  }

  #candidate(candidate: RTCIceCandidate | null): void {
    if (candidate === null || candidate.candidate === "") {
      const restarted = this.pc.connectionState === "connected";
      if (candidate === null && this.#candidates === 0 && !restarted) this.fail("no_candidates");
      this.#endOfCandidates();
      return;
    }
    this.#candidates++;
    const { peer, epoch, send } = this.#options;
    send({
      type: "ice_candidate",
      peer,
      epoch,
      data: {
        candidate: candidate.candidate,
        sdp_mid: candidate.sdpMid,
        sdp_m_line_index: candidate.sdpMLineIndex,
        username_fragment: candidate.usernameFragment,
      },
    });
  }

  #endOfCandidates(): void {
    clearTimeout(this.#gathering);
    this.#gathering = undefined;
    if (this.#ended) return;
    this.#ended = true;
    const { peer, epoch, send } = this.#options;
    send({ type: "ice_candidate", peer, epoch, data: { candidate: "" } });
  }

  /** Use these from the next gathering of candidates on, such as a restart of ICE. */
  setIceServers(iceServers: IceServer[]): void {
    if (!this.#closed) this.pc.setConfiguration(this.#configuration(iceServers));
  }

  #configuration(iceServers: IceServer[]): RTCConfiguration {
    return {
      iceServers: iceServers.map(({ urls, username, credential }) => ({
        urls,
        ...(username ? { username } : {}),
        ...(credential ? { credential } : {}),
      })),
      iceTransportPolicy: this.#options.relayOnly ? "relay" : "all",
      bundlePolicy: "max-bundle",
    };
  }

  /** Look for a new path on the same connection; raises negotiationneeded. */
  restart(): void {
    if (!this.#closed) this.pc.restartIce();
  }

  #changed(): void {
    const state = this.pc.connectionState;
    clearTimeout(this.#grace);
    if (state === "connected") {
      clearTimeout(this.#deadline);
      // At once, so that nothing is missed of what comes on it now; the kind of path is known later.
      this.#status = { state };
      this.#options.onStatus(this.#status);
      void this.#connected();
      return;
    }
    if (state === "disconnected") {
      this.#grace = setTimeout(() => {
        this.#report({ state: "failed", reason: "the network path was lost" });
      }, DISCONNECTED_MS);
    }
    if (state === "failed") {
      this.#report({ state, reason: "no network path between the two ends was found" });
    } else {
      this.#report({ state });
    }
  }

  async #connected(): Promise<void> {
    const route = await selectedRoute(this.pc).catch(() => undefined);
    if (this.#closed || this.pc.connectionState !== "connected") return;
    this.#report(route ? { state: "connected", route } : { state: "connected" });
  }

  #report(status: TransportStatus): void {
    if (this.#closed) return;
    this.#status = status;
    this.#send(status);
    this.#options.onStatus(status);
  }

  #send({ state, route, reason }: TransportStatus): void {
    const { peer, epoch, send } = this.#options;
    send({
      type: "webrtc_state_change",
      peer,
      epoch,
      data: {
        state,
        ...(route ? { relay: route.relay, local: route.local, remote: route.remote } : {}),
        ...(reason ? { reason } : {}),
      },
    });
  }
}
