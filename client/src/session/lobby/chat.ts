import type { StoreApi } from "zustand/vanilla";
import type { Signaling } from "../../signaling/signaling";
import { texts } from "../../texts";
import { chatArrived, chatFailed, chatRemoved, chatSent } from "../reduce/pendingChat";
import type { SessionState } from "../state";

/** The message may have arrived or not. The person decides whether to send it again. */
export const UNCERTAIN = { code: "client", message: texts.captions.uncertain };

/** Our chat messages, which stay visible until the server has confirmed them, once and in order. */
export class Chat {
  readonly #store: StoreApi<SessionState>;
  readonly #signaling: Signaling;

  constructor(store: StoreApi<SessionState>, signaling: Signaling) {
    this.#store = store;
    this.#signaling = signaling;
    signaling.onDelivery(({ id, arrived }) =>
      store.setState((state) =>
        arrived ? chatArrived(state, id) : chatFailed(state, id, UNCERTAIN),
      ),
    );
  }

  send(text: string): void {
    const { lobbyId: lobby } = this.#store.getState();
    const words = text.trim();
    if (!lobby || !words) return;
    const id = this.#signaling.send({ type: "chat_message", lobby, data: { text: words } });
    this.#store.setState((state) => chatSent(state, id, words));
  }

  /** Only for a message that was given up. */
  sendAgain(id: string): void {
    const line = this.#store.getState().pendingChat.find((one) => one.id === id);
    if (!line?.error) return;
    this.discard(id);
    this.send(line.text);
  }

  discard(id: string): void {
    this.#store.setState((state) => chatRemoved(state, id));
  }
}
