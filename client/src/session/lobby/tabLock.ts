/** One tab of a browser takes part; which one it is, the tabs settle with a lock of the browser.
 *
 * A duplicated tab remembers the same lobby, and must not take the place of the one that is live.
 * Where there are no locks (an address without https) every tab is taken for the only one. */
export class TabLock {
  readonly #name: string;
  #asked: AbortController | null = null;
  #held: (() => void) | null = null;

  constructor(base: string = document.baseURI) {
    // The name is older than the class: tabs of an earlier version hold it.
    this.#name = `voicebot.seat ${new URL(".", base).pathname}`;
  }

  /** Take the lock as soon as no other tab has it. False after `patience` milliseconds without. */
  claim(patience?: number): Promise<boolean> {
    const locks = navigator.locks as LockManager | undefined;
    if (!locks || this.#asked) return Promise.resolve(true);
    const asked = new AbortController();
    this.#asked = asked;
    const timer = patience === undefined ? undefined : setTimeout(() => asked.abort(), patience);
    return new Promise((resolve) => {
      locks
        .request(this.#name, { signal: asked.signal }, () => {
          clearTimeout(timer);
          resolve(true);
          return new Promise<void>((release) => {
            this.#held = release;
            if (this.#asked !== asked) release();
          });
        })
        .catch(() => {
          if (this.#asked === asked) this.#asked = null;
          resolve(false);
        })
        .finally(() => clearTimeout(timer));
    });
  }

  release(): void {
    const asked = this.#asked;
    this.#asked = null;
    this.#held?.();
    this.#held = null;
    asked?.abort();
  }
}
