import type { Candidate, DescriptionData } from "../protocol/messages";
import { Transport, type TransportOptions } from "./transport";

export interface PersonOptions extends TransportOptions {
  polite: boolean;
  microphone: MediaStreamTrack | null;
  camera: MediaStreamTrack | null;
  onStream: (stream: MediaStream | null) => void;
}

/** How long the polite side waits for the first offer before it asks for one. */
const FIRST_OFFER_MS = 5_000;

/** The connection to another person: perfect negotiation (W3C WebRTC 1.0, section 10.7).
 *
 * The impolite side makes the first offer, with one audio and one video transceiver. Muting and
 * the camera only replace tracks, so that in practice nobody negotiates again but to restart ICE. */
export class PersonPeer {
  readonly transport: Transport;
  readonly #options: PersonOptions;
  #audio: RTCRtpTransceiver | null = null;
  #video: RTCRtpTransceiver | null = null;
  #makingOffer = false;
  #settingAnswer = false;
  #stream: MediaStream | null = null;
  #microphone: MediaStreamTrack | null;
  #camera: MediaStreamTrack | null;
  #firstOffer: ReturnType<typeof setTimeout> | undefined;
  #work: Promise<void> = Promise.resolve();

  constructor(options: PersonOptions) {
    this.#options = options;
    this.#microphone = options.microphone;
    this.#camera = options.camera;
    this.transport = new Transport(options);
    const { pc } = this.transport;
    pc.onnegotiationneeded = () => void this.#offer();
    pc.ontrack = ({ track }) => this.#received(track);
  }

  get stream(): MediaStream | null {
    return this.#stream;
  }

  get receivers(): RTCRtpReceiver[] {
    return this.#audio ? [this.#audio.receiver] : [];
  }

  start(): void {
    if (this.#options.polite) {
      this.#firstOffer = setTimeout(() => this.transport.askToNegotiate(), FIRST_OFFER_MS);
      return;
    }
    const { pc } = this.transport;
    // Adding them raises negotiationneeded, which makes the offer.
    this.#audio = pc.addTransceiver(this.#microphone ?? "audio", { direction: "sendrecv" });
    this.#video = pc.addTransceiver(this.#camera ?? "video", { direction: "sendrecv" });
  }

  /** The other side wants an offer from us. */
  onNegotiationNeeded(): void {
    void this.#offer();
  }

  onOffer(description: DescriptionData): Promise<void> {
    return this.#inOrder(() => this.#remote("offer", description.sdp));
  }

  onAnswer(description: DescriptionData): Promise<void> {
    return this.#inOrder(() => this.#remote("answer", description.sdp));
  }

  addCandidate(candidate: Candidate): Promise<void> {
    return this.#inOrder(() => this.transport.addCandidate(candidate));
  }

  async setMicrophone(track: MediaStreamTrack | null): Promise<void> {
    this.#microphone = track;
    await this.#audio?.sender.replaceTrack(track);
  }

  async setCamera(track: MediaStreamTrack | null): Promise<void> {
    this.#camera = track;
    await this.#video?.sender.replaceTrack(track);
  }

  /** The server asks for a new path on the same connection. */
  restart(): void {
    this.transport.restart();
  }

  close(): void {
    clearTimeout(this.#firstOffer);
    this.transport.close();
  }

  /** Descriptions and candidates are applied one after the other, as they came. */
  #inOrder(step: () => Promise<void>): Promise<void> {
    const result = this.#work.then(() => (this.transport.closed ? undefined : step()));
    this.#work = result.catch(() => {});
    return result;
  }

  async #offer(): Promise<void> {
    const { pc } = this.transport;
    // Before the first offer has come, the polite side has nothing to offer.
    if (this.transport.closed || (this.#options.polite && !this.#audio)) return;
    if (pc.signalingState !== "stable") return;
    try {
      this.#makingOffer = true;
      await pc.setLocalDescription();
      if (pc.localDescription?.type === "offer") this.transport.offer(pc.localDescription.sdp);
    } finally {
      this.#makingOffer = false;
    }
  }

  async #remote(type: "offer" | "answer", sdp: string): Promise<void> {
    const { pc } = this.transport;
    const ready = !this.#makingOffer && (pc.signalingState === "stable" || this.#settingAnswer);
    const collision = type === "offer" && !ready;
    // Its candidates are of no use to us either; the transport does without.
    if (collision && !this.#options.polite) return;
    if (type === "answer" && pc.signalingState !== "have-local-offer") return;
    clearTimeout(this.#firstOffer);
    this.#settingAnswer = type === "answer";
    try {
      // In have-local-offer this rolls our own offer back by itself.
      await pc.setRemoteDescription({ type, sdp });
    } finally {
      this.#settingAnswer = false;
    }
    await this.transport.described();
    if (type !== "offer") return;
    await this.#adopt();
    await pc.setLocalDescription();
    if (pc.localDescription) this.transport.answer(pc.localDescription.sdp);
  }

  /** Put our own tracks on the transceivers that the first offer made. */
  async #adopt(): Promise<void> {
    for (const transceiver of this.transport.pc.getTransceivers()) {
      const { kind } = transceiver.receiver.track;
      if (kind === "audio" && !this.#audio) {
        this.#audio = transceiver;
        transceiver.direction = "sendrecv";
        await transceiver.sender.replaceTrack(this.#microphone);
      } else if (kind === "video" && !this.#video) {
        this.#video = transceiver;
        transceiver.direction = "sendrecv";
        await transceiver.sender.replaceTrack(this.#camera);
      }
    }
  }

  #received(track: MediaStreamTrack): void {
    this.#stream ??= new MediaStream();
    if (!this.#stream.getTracks().includes(track)) this.#stream.addTrack(track);
    this.#options.onStream(this.#stream);
  }
}
