import type { StoreApi } from "zustand/vanilla";
import type { Signaling } from "../../signaling/signaling";
import { texts } from "../../texts";
import { chatArrived, chatFailed, chatRemoved, chatSent } from "../reduce/pendingChat";
import type { SessionState } from "../state";

/** It may have arrived or not; the person decides whether it is written again. */
export const UNCERTAIN = { code: "client", message: texts.captions.uncertain };

/** What we write: kept in sight until the server has it, once, in the order it was written. */
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

  /** Of a message that was given up. */
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
