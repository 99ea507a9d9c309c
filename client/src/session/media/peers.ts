import type { StoreApi } from "zustand/vanilla";
import type { Connections, PeerReport, Routed } from "../../rtc/connections";
import { texts } from "../../texts";
import { withPeer } from "../reduce/reduce";
import { showToast } from "../reduce/toasts";
import type { SessionState } from "../state";

const QUALITY_MS = 2_000;

/** The connections as people see them: what they report, how good they are, and why one failed. */
export class Peers {
  readonly #store: StoreApi<SessionState>;
  readonly #connections: Connections;
  #quality: ReturnType<typeof setInterval> | undefined;

  constructor(store: StoreApi<SessionState>, connections: Connections) {
    this.#store = store;
    this.#connections = connections;
    connections.onReport((report) => this.#reported(report));
  }

  /** We are in the lobby under this id. Close connections that were made for another seat. */
  joined(id: string, before: string | null): void {
    if (id !== before) {
      this.#connections.closeAll();
      this.#store.setState({ peers: {} });
    }
    this.#connections.self = id;
    this.#quality ??= setInterval(() => void this.#measure(), QUALITY_MS);
  }

  receive(message: Routed): void {
    if (message.type === "start_webrtc_negotiation") {
      this.#change(message.peer, message.epoch, { failure: null });
    }
    this.#connections.receive(message).catch((error: unknown) => {
      console.error(error);
      showToast(this.#store, texts.errors.negotiation.message, texts.errors.negotiation.hint);
    });
  }

  /** Ask for a new attempt after the server gave up. */
  retry(peer: string): void {
    const known = this.#store.getState().peers[peer];
    if (!known) return;
    this.#change(peer, known.epoch, { failure: null, state: "new" });
    this.#connections.retry(peer, known.epoch);
  }

  /** Tell the server again how the connections are. */
  repeat(): void {
    this.#connections.repeat();
  }

  /** Let go of the connections to people who have left, and, without agents, of the host's: the
   * server has closed its end of that without a word. */
  closeAbsent(): void {
    const { participants } = this.#store.getState();
    const agents = Object.values(participants).some(({ kind }) => kind === "agent");
    for (const peer of this.#connections.closeAbsent(new Set(Object.keys(participants)), agents)) {
      const { [peer]: _closed, ...peers } = this.#store.getState().peers;
      this.#store.setState({ peers });
    }
  }

  /** Close every connection. The state keeps what is known about them. */
  closeAll(): void {
    clearInterval(this.#quality);
    this.#quality = undefined;
    this.#connections.closeAll();
  }

  #change(peer: string, epoch: number, change: Parameters<typeof withPeer>[3]): void {
    this.#store.setState(withPeer(this.#store.getState(), peer, epoch, change));
  }

  #reported({ peer, epoch, state, route }: PeerReport): void {
    const known = this.#store.getState().peers[peer];
    // Once the server has given up and said why, the failure on our side is no news.
    if (known?.failure && state !== "connected") return;
    this.#change(peer, epoch, route ? { state, route } : { state });
  }

  async #measure(): Promise<void> {
    const qualities = await this.#connections.quality().catch(() => new Map());
    let next = this.#store.getState();
    for (const [peer, quality] of qualities) {
      const known = next.peers[peer];
      if (known) next = withPeer(next, peer, known.epoch, { quality });
    }
    this.#store.setState(next);
  }
}
