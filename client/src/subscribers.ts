export type Unsubscribe = () => void;

/** A list of listeners; `add` returns what removes the listener again. */
export class Subscribers<T> {
  readonly #listeners = new Set<(value: T) => void>();

  add(listener: (value: T) => void): Unsubscribe {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  emit(value: T): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(value);
      } catch (error) {
        // A broken listener must not keep the others from being called.
        console.error(error);
      }
    }
  }
}
