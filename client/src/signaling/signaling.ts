import type { ClientMessage, ServerMessage } from "../protocol/messages";
import { Subscribers, type Unsubscribe } from "../subscribers";
import { backoffMs } from "./backoff";
import { Refusal, WRONG_ORIGIN } from "./endpoints";
import { Outbox } from "./outbox";

/** `closed` comes with a reason and is final until `connect()`. */
export type SocketState = "idle" | "connecting" | "open" | "reconnecting" | "closed";
export type ClosedReason = "asked" | "expired" | "elsewhere" | "refused";

export interface SocketChange {
  state: SocketState;
  reason?: ClosedReason;
  /** Why the server refused. */
  refusal?: Refusal;
}

/** What has become of a message. One that has not arrived may have, and is not sent again. */
export interface Delivery {
  id: string;
  arrived: boolean;
}

/** A message as the rest of the client writes it: the envelope is filled in here. */
export type Outgoing = ClientMessage extends infer M
  ? M extends ClientMessage
    ? Omit<M, "v" | "id" | "seq" | "ack">
    : never
  : never;

/** The part of WebSocket that is used, so that tests can stand in for it. */
export type Socket = Pick<
  WebSocket,
  "readyState" | "send" | "close" | "onopen" | "onmessage" | "onclose" | "onerror"
>;

export interface SignalingOptions {
  url: string;
  openSocket?: (url: string) => Socket;
  /** Called before every attempt; makes sure that there is a session cookie. A handshake that is
   * refused shows the page no more than 1006, so this is also where it learns of a Refusal. */
  prepare?: () => Promise<void>;
  random?: () => number;
  newId?: () => string;
}

const OPEN = 1;
const PING_MS = 10_000;
const DEAD_MS = 25_000;
/** Time without an answer after which people are told. A slow network may still work. */
const SILENT_MS = 3_000;
/** Time to wait for an answer after sleep, or when the network has come back. */
const AWAKE_MS = 3_000;
const BEAT_MS = PING_MS / 4;
/** A timer that is later than this has slept. */
const SLEPT_MS = 4 * BEAT_MS;
/** Close codes after which trying again cannot help. */
const FINAL: Record<number, ClosedReason> = {
  4401: "expired",
  4403: "refused",
  4409: "elsewhere",
};

/** The WebSocket to the server. It reconnects, resumes, sends pings and loses no message. */
export class Signaling {
  readonly #options: Required<SignalingOptions>;
  readonly #messages = new Subscribers<ServerMessage>();
  readonly #socketListeners = new Subscribers<SocketChange>();
  readonly #silences = new Subscribers<boolean>();
  readonly #deliveries = new Subscribers<Delivery>();
  readonly #outbox = new Outbox();
  #socket: Socket | null = null;
  #state: SocketState = "idle";
  #established = false;
  #wanted = false;
  /** Counts attempts, so that a late answer of an abandoned one is ignored. */
  #generation = 0;
  #attempt = 0;
  /** The last server message seen; what a resume continues from. */
  #lastSeq = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #heartbeat: ReturnType<typeof setInterval> | undefined;
  #unansweredSince: number | null = null;
  #lastPing = 0;
  #lastBeat = 0;
  #awake: ReturnType<typeof setTimeout> | undefined;
  /** Whether a resume was sent, and no numbered message has come since. */
  #resuming = false;
  /** Whether the socket is open, but the server may be gone. */
  #silent = false;

  constructor(options: SignalingOptions) {
    this.#options = {
      openSocket: (url) => new WebSocket(url),
      prepare: async () => {},
      random: Math.random,
      newId: () =>
        crypto.randomUUID?.() ?? `m-${Date.now()}-${Math.random().toString(36).slice(2)}`,
      ...options,
    };
  }

  get state(): SocketState {
    return this.#state;
  }

  onMessage(listener: (message: ServerMessage) => void): Unsubscribe {
    return this.#messages.add(listener);
  }

  onSocketState(listener: (change: SocketChange) => void): Unsubscribe {
    return this.#socketListeners.add(listener);
  }

  /** The socket is still open, and gives no answer; or gives one again. What is sent meanwhile is
   * kept back, so that it is known not to have arrived. */
  onSilence(listener: (silent: boolean) => void): Unsubscribe {
    return this.#silences.add(listener);
  }

  /** Called for messages that have arrived without an answer, and for those that are given up. */
  onDelivery(listener: (delivery: Delivery) => void): Unsubscribe {
    return this.#deliveries.add(listener);
  }

  /** Connect and stay connected until `close()`. */
  connect(): void {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#attempt = 0;
    window.addEventListener("online", this.#hurry);
    window.addEventListener("offline", this.#doubt);
    document.addEventListener("visibilitychange", this.#hurry);
    this.#setState({ state: "connecting" });
    void this.#open();
  }

  /** Close the connection, and keep no messages for later. */
  close(reason: ClosedReason = "asked", refusal?: Refusal): void {
    if (!this.#wanted) return;
    this.#wanted = false;
    window.removeEventListener("online", this.#hurry);
    window.removeEventListener("offline", this.#doubt);
    document.removeEventListener("visibilitychange", this.#hurry);
    clearTimeout(this.#retry);
    this.#generation++;
    this.#drop();
    this.#outbox.clear();
    this.#lastSeq = 0;
    this.#setState({ state: "closed", reason, ...(refusal ? { refusal } : {}) });
  }

  /** Send now, or as soon as there is a connection. Returns the message's id, which answers and
   * errors carry. */
  send(message: Outgoing): string {
    const id = this.#options.newId();
    const framed = { v: 1, id, ...message } as ClientMessage;
    const dropped = this.#outbox.add(framed);
    if (dropped) this.#settle([dropped], false);
    if (this.#established && !this.#silent) this.#write(framed);
    return id;
  }

  readonly #hurry = (): void => {
    if (!this.#wanted || document.visibilityState === "hidden") return;
    if (this.#socket === null && this.#retry !== undefined) {
      clearTimeout(this.#retry);
      this.#attempt = 0;
      void this.#open();
    } else if (this.#established) {
      this.#probe();
    }
  };

  /** The browser is offline. A server on this machine answers all the same. */
  readonly #doubt = (): void => {
    if (!this.#established) return;
    this.#setSilent(true);
    this.#probe();
  };

  /** After sleep the socket may be dead without knowing: ask, and do not wait long. */
  #probe(): void {
    this.#ping();
    this.#awake ??= setTimeout(() => {
      this.#attempt = 0;
      this.#lost();
    }, AWAKE_MS);
  }

  async #open(): Promise<void> {
    this.#retry = undefined;
    const generation = ++this.#generation;
    try {
      await this.#options.prepare();
    } catch (error) {
      if (generation !== this.#generation) return;
      if (error instanceof Refusal) this.close("refused", error);
      else this.#lost();
      return;
    }
    if (generation !== this.#generation || !this.#wanted) return;
    const socket = this.#options.openSocket(this.#options.url);
    this.#socket = socket;
    const current = () => generation === this.#generation;
    // A server that accepts the socket and stays silent counts as unreachable.
    this.#unansweredSince = Date.now();
    this.#lastBeat = Date.now();
    this.#heartbeat = setInterval(() => this.#beat(), BEAT_MS);
    socket.onmessage = (event) => {
      if (current()) this.#receive(String(event.data));
    };
    socket.onclose = (event) => {
      if (!current()) return;
      const final = FINAL[event.code];
      if (final === "refused") this.close(final, new Refusal(WRONG_ORIGIN));
      else if (final) this.close(final);
      else this.#lost();
    };
    socket.onerror = () => {};
  }

  #receive(text: string): void {
    this.#unansweredSince = null;
    this.#heard();
    this.#setSilent(false);
    let message: ServerMessage;
    try {
      message = JSON.parse(text) as ServerMessage;
    } catch {
      console.warn("The server sent something that is not JSON.");
      return;
    }
    if (typeof message.seq === "number") {
      // Nothing could be replayed. The server sends a new state and starts a new numbering.
      if (this.#resuming && message.type === "lobby_state") this.#lastSeq = message.seq - 1;
      this.#resuming = false;
      if (message.seq <= this.#lastSeq && message.type !== "session_established") return;
      this.#lastSeq = Math.max(this.#lastSeq, message.seq);
    }
    if (message.id) this.#outbox.answered(message.id);
    if (message.type === "pong") this.#settle(this.#outbox.ponged(), true);
    if (message.type === "session_established") this.#establish(message);
    else this.#messages.emit(message);
  }

  #establish(message: Extract<ServerMessage, { type: "session_established" }>): void {
    this.#attempt = 0;
    this.#lastPing = Date.now();
    this.#established = true;
    if (message.data.resumed) {
      if (this.#lastSeq > 0) {
        this.#resuming = true;
        this.#write(this.#frame({ type: "resume", data: { last_seq: this.#lastSeq } }));
      }
    } else {
      this.#lastSeq = message.seq ?? 0;
      this.#settle(this.#outbox.unseated(), false);
    }
    const waiting = [...this.#outbox.messages];
    this.#setState({ state: "open" });
    // Listeners first: what they send (joining again) must come before what waited.
    this.#messages.emit(message);
    for (const old of waiting) this.#write(old);
  }

  #frame(message: Outgoing): ClientMessage {
    return { v: 1, id: this.#options.newId(), ...message } as ClientMessage;
  }

  #write(message: ClientMessage): void {
    if (this.#socket?.readyState !== OPEN) return;
    this.#socket.send(JSON.stringify({ ...message, ack: this.#lastSeq }));
    this.#outbox.written(message);
    // Chat is answered at once, to its author too.
    if (message.type === "chat_message") this.#unansweredSince ??= Date.now();
  }

  #beat(): void {
    const now = Date.now();
    const slept = now - this.#lastBeat >= SLEPT_MS;
    this.#lastBeat = now;
    if (slept && this.#established) {
      this.#probe();
    } else if (this.#unansweredSince !== null && now - this.#unansweredSince >= DEAD_MS) {
      this.#lost();
      return;
    }
    if (this.#established && now - this.#lastPing >= PING_MS) this.#ping();
    if (this.#established && now - (this.#unansweredSince ?? now) >= SILENT_MS) {
      this.#setSilent(true);
    }
  }

  #ping(): void {
    this.#lastPing = Date.now();
    this.#unansweredSince ??= this.#lastPing;
    this.#outbox.pinged();
    this.#write(this.#frame({ type: "ping", data: {} }));
  }

  /** The socket is closed: wait, and then try again. */
  #lost(): void {
    this.#generation++;
    this.#drop();
    if (!this.#wanted) return;
    const was = this.#lastSeq > 0 || this.#state === "open";
    this.#setState({ state: was ? "reconnecting" : "connecting" });
    clearTimeout(this.#retry);
    this.#retry = setTimeout(
      () => void this.#open(),
      backoffMs(this.#attempt++, this.#options.random),
    );
  }

  #settle(messages: readonly ClientMessage[], arrived: boolean): void {
    for (const { id } of messages) if (id) this.#deliveries.emit({ id, arrived });
  }

  #setSilent(silent: boolean): void {
    if (silent === this.#silent) return;
    this.#silent = silent;
    this.#silences.emit(silent);
    if (silent || !this.#established) return;
    for (const held of this.#outbox.unwritten) this.#write(held);
  }

  #heard(): void {
    clearTimeout(this.#awake);
    this.#awake = undefined;
  }

  #drop(): void {
    this.#heard();
    this.#resuming = false;
    clearInterval(this.#heartbeat);
    const socket = this.#socket;
    this.#socket = null;
    this.#established = false;
    this.#setSilent(false);
    this.#unansweredSince = null;
    this.#outbox.disconnected();
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = socket.onerror = null;
    socket.close(1000);
  }

  #setState(change: SocketChange): void {
    if (change.state === this.#state) return;
    this.#state = change.state;
    this.#socketListeners.emit(change);
  }
}
