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

/** What was sent and is not known to have arrived.
 *
 * A socket keeps its order, so the answer to a ping proves that all before the ping arrived.
 * What is left when a socket dies is sent again with the same ids, which the server drops if
 * it has seen them. */
export class Outbox {
  #messages: ClientMessage[] = [];
  /** For each ping on the way: how many messages it will confirm. */
  #pings: number[] = [];

  get messages(): readonly ClientMessage[] {
    return this.#messages;
  }

  add(message: ClientMessage): void {
    if (PER_SOCKET.has(message.type)) return;
    this.#messages.push(message);
    if (this.#messages.length > LIMIT) {
      this.#messages.shift();
      this.#pings = this.#pings.map((count) => Math.max(0, count - 1));
    }
  }

  pinged(): void {
    this.#pings.push(this.#messages.length);
  }

  ponged(): void {
    const count = this.#pings.shift();
    if (!count) return;
    this.#messages.splice(0, count);
    this.#pings = this.#pings.map((other) => Math.max(0, other - count));
  }

  /** The socket is gone, and with it the pings on the way. */
  disconnected(): void {
    this.#pings = [];
  }

  /** The server has forgotten our seat: what belongs to it is void, and joining is done anew. */
  unseated(): void {
    this.#messages = this.#messages.filter((message) => !SEATED.has(message.type));
    this.#pings = [];
  }

  /** This message has been answered. */
  answered(id: string): void {
    const index = this.#messages.findIndex((message) => message.id === id);
    if (index < 0) return;
    this.#messages.splice(index, 1);
    this.#pings = this.#pings.map((count) => (index < count ? count - 1 : count));
  }

  clear(): void {
    this.#messages = [];
    this.#pings = [];
  }
}
