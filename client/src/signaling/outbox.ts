import type { ClientMessage } from "../protocol/messages";

/** Messages that only make sense while the server still knows our seat in the lobby. */
const SEATED = new Set<ClientMessage["type"]>([
  "webrtc_offer",
  "webrtc_answer",
  "ice_candidate",
  "negotiation_needed",
  "webrtc_state_change",
  "connection_ready",
  "ice_servers_request",
  "join_lobby",
  "leave_lobby",
  "participant_update",
]);

/** Never worth repeating: the client makes them anew for every socket. */
const PER_SOCKET = new Set<ClientMessage["type"]>(["ping", "resume"]);

const LIMIT = 512;

interface Entry {
  message: ClientMessage;
  /** It went into a socket, so it may have arrived. */
  written: boolean;
}

/** What was sent and is not known to have arrived.
 *
 * A socket keeps its order, so the answer to a ping proves that all before the ping arrived.
 * What is left when a socket dies is sent again with the same ids, which the server drops if
 * it has seen them. */
export class Outbox {
  #entries: Entry[] = [];
  /** For each ping on the way: how many messages it will confirm. */
  #pings: number[] = [];

  get messages(): readonly ClientMessage[] {
    return this.#entries.map(({ message }) => message);
  }

  /** What has not gone into any socket. */
  get unwritten(): readonly ClientMessage[] {
    return this.#entries.filter(({ written }) => !written).map(({ message }) => message);
  }

  /** Returns what had to be dropped in exchange, if anything; chat goes last. */
  add(message: ClientMessage): ClientMessage | undefined {
    if (PER_SOCKET.has(message.type)) return;
    this.#entries.push({ message, written: false });
    if (this.#entries.length <= LIMIT) return;
    const spare = this.#entries.findIndex((entry) => entry.message.type !== "chat_message");
    return this.#remove(Math.max(0, spare));
  }

  written(message: ClientMessage): void {
    const entry = this.#entries.find((one) => one.message === message);
    if (entry) entry.written = true;
  }

  pinged(): void {
    const unwritten = this.#entries.findIndex(({ written }) => !written);
    this.#pings.push(unwritten < 0 ? this.#entries.length : unwritten);
  }

  /** Returns what is known to have arrived now. */
  ponged(): readonly ClientMessage[] {
    const count = this.#pings.shift() ?? 0;
    const arrived = this.#entries.splice(0, count);
    this.#pings = this.#pings.map((other) => Math.max(0, other - count));
    return arrived.map(({ message }) => message);
  }

  /** The socket is gone, and with it the pings on the way. */
  disconnected(): void {
    this.#pings = [];
  }

  /** The server has forgotten our seat: what belongs to it is void, and joining is done anew.
   *
   * Returns the chat that may have arrived or not: the server would take it for new. */
  unseated(): readonly ClientMessage[] {
    const uncertain = ({ message, written }: Entry) => written && message.type === "chat_message";
    const doubtful = this.#entries.filter(uncertain);
    this.#entries = this.#entries.filter(
      (entry) => !SEATED.has(entry.message.type) && !uncertain(entry),
    );
    this.#pings = [];
    return doubtful.map(({ message }) => message);
  }

  /** This message has been answered. */
  answered(id: string): void {
    const index = this.#entries.findIndex(({ message }) => message.id === id);
    if (index >= 0) this.#remove(index);
  }

  clear(): void {
    this.#entries = [];
    this.#pings = [];
  }

  #remove(index: number): ClientMessage | undefined {
    const [entry] = this.#entries.splice(index, 1);
    this.#pings = this.#pings.map((count) => (index < count ? count - 1 : count));
    return entry?.message;
  }
}
