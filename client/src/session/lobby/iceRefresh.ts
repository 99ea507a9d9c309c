/** Share of its life after which a TURN credential is renewed. */
const RENEW_AT = 0.8;
/** A sleeping computer stops timers but not the clock, so the clock is checked this often. */
const LOOK_MS = 30_000;

/** Asks for fresh TURN credentials in time, as long as we are in a lobby. */
export class IceRefresh {
  readonly #ask: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When to ask, in milliseconds of the clock; null if nothing expires or we have asked. */
  #due: number | null = null;

  constructor(ask: () => void) {
    this.#ask = ask;
  }

  /** New credentials have arrived, which expire after so many seconds (null or undefined: never). */
  expiresIn(seconds: number | null | undefined): void {
    this.stop();
    if (!seconds) return;
    this.#due = Date.now() + seconds * 1000 * RENEW_AT;
    this.check();
  }

  /** Ask if it is time; otherwise look again later. */
  check(): void {
    clearTimeout(this.#timer);
    if (this.#due === null) return;
    const left = this.#due - Date.now();
    if (left <= 0) {
      this.#due = null;
      this.#ask();
    } else {
      this.#timer = setTimeout(() => this.check(), Math.min(left, LOOK_MS));
    }
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#due = null;
  }
}
