import type { Candidate, DescriptionData } from "../protocol/messages";
import { Transport, type TransportOptions } from "./transport";

export interface HostOptions extends TransportOptions {
  /** Our own participant id: who speaks on the microphone's mid. */
  self: string;
  microphone: MediaStreamTrack | null;
  /** The agents to hear. */
  receive: string[];
  /** Called whenever the set of agents that can be heard changes. */
  onStreams: (streams: ReadonlyMap<string, MediaStream>) => void;
}

/** The connection to an agent host. Only this side offers, ever: one sendonly transceiver for the
 * microphone and one recvonly audio transceiver for each agent. */
export class HostPeer {
  readonly transport: Transport;
  readonly #options: HostOptions;
  readonly #microphone: RTCRtpTransceiver;
  /** Which agent speaks on which transceiver; a free one keeps null until an agent needs it. */
  readonly #voices = new Map<RTCRtpTransceiver, string | null>();
  #streams = new Map<string, MediaStream>();
  #negotiating = false;
  #again = false;

  constructor(options: HostOptions) {
    this.#options = options;
    this.transport = new Transport(options);
    const { pc } = this.transport;
    this.#microphone = pc.addTransceiver(options.microphone ?? "audio", { direction: "sendonly" });
    this.#arrange(options.receive);
  }

  get streams(): ReadonlyMap<string, MediaStream> {
    return this.#streams;
  }

  get receivers(): ReadonlyMap<string, RTCRtpReceiver[]> {
    const receivers = new Map<string, RTCRtpReceiver[]>();
    for (const [transceiver, agent] of this.#voices) {
      if (agent) receivers.set(agent, [transceiver.receiver]);
    }
    return receivers;
  }

  start(): Promise<void> {
    return this.#negotiate();
  }

  /** The host's agents changed: offer again on the same connection. */
  async renegotiate(receive: string[]): Promise<void> {
    this.#arrange(receive);
    await this.#negotiate();
  }

  async onAnswer({ sdp, tracks }: DescriptionData): Promise<void> {
    const { pc } = this.transport;
    if (this.transport.closed || pc.signalingState !== "have-local-offer") return;
    await pc.setRemoteDescription({ type: "answer", sdp });
    for (const [transceiver, agent] of this.#voices) {
      const told = transceiver.mid === null ? undefined : tracks?.[transceiver.mid];
      if (told && agent !== null && told !== agent) this.#voices.set(transceiver, told);
    }
    this.#publish();
    await this.transport.described();
    this.#negotiating = false;
    if (this.#again) {
      this.#again = false;
      await this.#negotiate();
    }
  }

  /** Whether an agent's voice has begun to arrive here. */
  async receiving(): Promise<boolean> {
    const stats = await this.transport.pc.getStats();
    let packets = 0;
    for (const stat of stats.values()) {
      if (stat.type === "inbound-rtp") packets += stat.packetsReceived ?? 0;
    }
    return packets > 0;
  }

  addCandidate(candidate: Candidate): Promise<void> {
    return this.transport.addCandidate(candidate);
  }

  async setMicrophone(track: MediaStreamTrack | null): Promise<void> {
    await this.#microphone.sender.replaceTrack(track);
  }

  close(): void {
    this.transport.close();
  }

  #arrange(receive: string[]): void {
    const wanted = new Set(receive);
    for (const [transceiver, agent] of this.#voices) {
      if (agent === null) continue;
      if (wanted.has(agent)) {
        wanted.delete(agent);
      } else {
        transceiver.direction = "inactive";
        this.#voices.set(transceiver, null);
      }
    }
    for (const agent of wanted) {
      const free = [...this.#voices].find(([, owner]) => owner === null)?.[0];
      if (free) free.direction = "recvonly";
      const { pc } = this.transport;
      const transceiver = free ?? pc.addTransceiver("audio", { direction: "recvonly" });
      this.#voices.set(transceiver, agent);
    }
    this.#publish();
  }

  async #negotiate(): Promise<void> {
    if (this.#negotiating) {
      this.#again = true;
      return;
    }
    this.#negotiating = true;
    const { pc } = this.transport;
    await pc.setLocalDescription(await pc.createOffer());
    if (this.transport.closed || !pc.localDescription) return;
    this.transport.offer(pc.localDescription.sdp, this.#tracks());
  }

  #tracks(): Record<string, string> {
    const tracks: Record<string, string> = {};
    if (this.#microphone.mid !== null) tracks[this.#microphone.mid] = this.#options.self;
    for (const [transceiver, agent] of this.#voices) {
      if (agent !== null && transceiver.mid !== null) tracks[transceiver.mid] = agent;
    }
    return tracks;
  }

  #publish(): void {
    const streams = new Map<string, MediaStream>();
    for (const [transceiver, agent] of this.#voices) {
      if (agent === null) continue;
      const { track } = transceiver.receiver;
      const known = this.#streams.get(agent);
      // The same stream object while the track is the same, so that playback is not restarted.
      const same = known?.getTracks()[0] === track ? known : undefined;
      streams.set(agent, same ?? new MediaStream([track]));
    }
    this.#streams = streams;
    this.#options.onStreams(streams);
  }
}
