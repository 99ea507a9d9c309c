/** Enough of an RTCPeerConnection to watch a negotiation: the signaling state machine with
 * implicit rollback, transceivers with mids, and a connection state that the test sets. */

export class FakeTrack extends EventTarget {
  readonly kind: string;
  enabled = true;
  readyState: "live" | "ended" = "live";
  onended: (() => void) | null = null;

  constructor(kind: string) {
    super();
    this.kind = kind;
  }

  stop(): void {
    this.readyState = "ended";
  }

  getSettings(): MediaTrackSettings {
    return {};
  }
}

export class FakeTransceiver {
  mid: string | null = null;
  direction: RTCRtpTransceiverDirection;
  readonly sender: { track: unknown; replaceTrack: (track: unknown) => Promise<void> };
  readonly receiver: { track: FakeTrack };

  constructor(kind: string, track: unknown, direction: RTCRtpTransceiverDirection) {
    this.direction = direction;
    this.receiver = { track: new FakeTrack(kind) };
    this.sender = {
      track,
      replaceTrack: async (next) => {
        this.sender.track = next;
      },
    };
  }
}

interface Description {
  type: "offer" | "answer";
  sdp: string;
}

export class FakePeerConnection {
  static all: FakePeerConnection[] = [];

  static create = (configuration: RTCConfiguration): RTCPeerConnection => {
    const pc = new FakePeerConnection(configuration);
    FakePeerConnection.all.push(pc);
    return pc as unknown as RTCPeerConnection;
  };

  static get last(): FakePeerConnection {
    const pc = FakePeerConnection.all.at(-1);
    if (!pc) throw new Error("no connection was made");
    return pc;
  }

  configuration: RTCConfiguration;
  readonly transceivers: FakeTransceiver[] = [];
  readonly candidates: unknown[] = [];
  /** Audio packets that have arrived. */
  packetsReceived = 0;
  signalingState: RTCSignalingState = "stable";
  connectionState: RTCPeerConnectionState = "new";
  localDescription: Description | null = null;
  remoteDescription: Description | null = null;
  /** How often an own offer was given up for the other side's. */
  rollbacks = 0;
  closed = false;
  onicecandidate: ((event: { candidate: unknown }) => void) | null = null;
  onconnectionstatechange: (() => void) | null = null;
  onnegotiationneeded: (() => void) | null = null;
  ontrack: ((event: { track: FakeTrack }) => void) | null = null;
  #offers = 0;
  #needed = false;
  #ufrag = 1;
  #restarting = false;

  constructor(configuration: RTCConfiguration) {
    this.configuration = configuration;
  }

  setConfiguration(configuration: RTCConfiguration): void {
    if (this.closed) throw new Error("InvalidStateError");
    if (configuration.bundlePolicy !== this.configuration.bundlePolicy) {
      throw new Error("InvalidModificationError");
    }
    this.configuration = configuration;
  }

  addTransceiver(
    what: string | FakeTrack,
    { direction }: { direction: RTCRtpTransceiverDirection },
  ): FakeTransceiver {
    const kind = typeof what === "string" ? what : what.kind;
    const track = typeof what === "string" ? null : what;
    const transceiver = new FakeTransceiver(kind, track, direction);
    this.transceivers.push(transceiver);
    this.#need();
    return transceiver;
  }

  getTransceivers(): FakeTransceiver[] {
    return this.transceivers;
  }

  restartIce(): void {
    this.#restarting = true;
    this.#need();
  }

  async createOffer(): Promise<Description> {
    return { type: "offer", sdp: this.#sdp("offer") };
  }

  async setLocalDescription(description?: Description): Promise<void> {
    await Promise.resolve();
    const type = this.signalingState === "have-remote-offer" ? "answer" : "offer";
    const local = description ?? { type, sdp: this.#sdp(type) };
    for (const [index, transceiver] of this.transceivers.entries()) {
      transceiver.mid ??= String(index);
    }
    this.localDescription = local;
    this.signalingState = local.type === "offer" ? "have-local-offer" : "stable";
  }

  async setRemoteDescription(description: Description): Promise<void> {
    await Promise.resolve();
    if (description.type === "offer") {
      const told = (sdp?: string) => /ice-ufrag:(.*)/.exec(sdp ?? "")?.[1];
      const before = told(this.remoteDescription?.sdp);
      if (before !== undefined && told(description.sdp) !== before) this.#ufrag++;
      if (this.signalingState === "have-local-offer") this.rollbacks++;
      this.signalingState = "have-remote-offer";
      if (this.transceivers.length === 0) {
        for (const kind of ["audio", "video"]) {
          this.transceivers.push(new FakeTransceiver(kind, null, "recvonly"));
        }
      }
    } else {
      if (this.signalingState !== "have-local-offer") throw new Error("InvalidStateError");
      this.signalingState = "stable";
    }
    this.remoteDescription = description;
    for (const { receiver } of this.transceivers) this.ontrack?.({ track: receiver.track });
  }

  async addIceCandidate(candidate: unknown): Promise<void> {
    if (!this.remoteDescription) throw new Error("InvalidStateError");
    this.candidates.push(candidate);
  }

  async getStats(): Promise<Map<string, unknown>> {
    return new Map<string, unknown>([
      ["T", { id: "T", type: "transport", selectedCandidatePairId: "P" }],
      ["P", { id: "P", type: "candidate-pair", localCandidateId: "L", remoteCandidateId: "R" }],
      ["L", { id: "L", type: "local-candidate", candidateType: "relay" }],
      ["A", { id: "A", type: "inbound-rtp", packetsReceived: this.packetsReceived }],
      ["R", { id: "R", type: "remote-candidate", candidateType: "host" }],
    ]);
  }

  close(): void {
    this.closed = true;
    this.connectionState = "closed";
  }

  /** The network does something. */
  become(state: RTCPeerConnectionState): void {
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }

  #sdp(type: string): string {
    if (type === "offer" && this.#restarting) {
      this.#restarting = false;
      this.#ufrag++;
    }
    return `${type} ${++this.#offers}\r\na=ice-ufrag:${this.#ufrag}\r\n`;
  }

  #need(): void {
    if (this.#needed) return;
    this.#needed = true;
    queueMicrotask(() => {
      this.#needed = false;
      if (!this.closed) this.onnegotiationneeded?.();
    });
  }
}
