/** Share of its life after which a TURN credential is renewed. */
const RENEW_AT = 0.8;

/** Asks for fresh TURN credentials in time, for as long as one stays in a lobby. */
export class IceRefresh {
  readonly #ask: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(ask: () => void) {
    this.#ask = ask;
  }

  /** Credentials came that are good for so many seconds; null or undefined: they do not expire. */
  expiresIn(seconds: number | null | undefined): void {
    this.stop();
    if (!seconds) return;
    this.#timer = setTimeout(this.#ask, seconds * 1000 * RENEW_AT);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
