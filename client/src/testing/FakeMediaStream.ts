/** happy-dom's MediaStream holds no tracks; this one does only that. */
export class FakeMediaStream extends EventTarget {
  readonly #tracks: unknown[];

  constructor(tracks: unknown[] = []) {
    super();
    this.#tracks = [...tracks];
  }

  getTracks(): unknown[] {
    return [...this.#tracks];
  }

  addTrack(track: unknown): void {
    if (!this.#tracks.includes(track)) this.#tracks.push(track);
  }
}
