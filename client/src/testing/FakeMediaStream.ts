/** happy-dom's MediaStream takes only its own tracks; this one takes any. */
export class FakeMediaStream extends MediaStream {
  readonly #held: MediaStreamTrack[];

  constructor(tracks: MediaStreamTrack[] = []) {
    super();
    this.#held = [...tracks];
  }

  override getTracks(): MediaStreamTrack[] {
    return [...this.#held];
  }

  override addTrack(track: MediaStreamTrack): void {
    if (!this.#held.includes(track)) this.#held.push(track);
  }
}
