import { type DeviceKind, listDevices, type openDevice } from "../../rtc/devices";
import { type DeviceProblemKind, deviceProblem } from "../../rtc/problems";
import { recall, remember } from "../lobby/memory";
import type { DeviceState } from "../state";

export interface OwnDevicesOptions {
  open: typeof openDevice;
  /** What people see of a device has changed. */
  changed: (kind: DeviceKind, change: Partial<DeviceState>) => void;
  /** The device that is in use is another one now. */
  used: (kind: DeviceKind, track: MediaStreamTrack) => Promise<void>;
  released: (kind: DeviceKind) => void;
  unplugged: (kind: DeviceKind) => void;
  /** Another one could not be opened; the one in use stays. */
  kept: (kind: DeviceKind, problem: DeviceProblemKind) => void;
}

/** Our own microphone and camera: opened on demand, one track of each at most. */
export class OwnDevices {
  readonly #options: OwnDevicesOptions;
  readonly #tracks: Record<DeviceKind, MediaStreamTrack | null> = {
    microphone: null,
    camera: null,
  };
  /** Counts requests for each device, so that only the newest one's answer is used. */
  readonly #asked: Record<DeviceKind, number> = { microphone: 0, camera: 0 };

  constructor(options: OwnDevicesOptions) {
    this.#options = options;
    navigator.mediaDevices?.addEventListener?.("devicechange", () => {
      void this.#list("microphone");
      void this.#list("camera");
    });
  }

  get microphone(): MediaStreamTrack | null {
    return this.#tracks.microphone;
  }

  get camera(): MediaStreamTrack | null {
    return this.#tracks.camera;
  }

  /** Open (or change) a device. Problems are passed on in terms a person can act upon. */
  async open(kind: DeviceKind, id: string = recall(kind)): Promise<void> {
    const { open, changed } = this.#options;
    const asked = ++this.#asked[kind];
    // What is live stays so, and is shown so, until the other one is there.
    if (!this.#live(kind)) changed(kind, { status: "asking", problem: null });
    try {
      const track = await open(kind, id || undefined);
      if (asked !== this.#asked[kind]) {
        track.stop();
        return;
      }
      await this.#use(kind, track, id);
    } catch (error) {
      if (asked !== this.#asked[kind]) return;
      const { kind: problem } = deviceProblem(error, false);
      if (this.#live(kind)) {
        this.#options.kept(kind, problem);
      } else {
        this.release(kind);
        changed(kind, { status: "problem", problem });
      }
      await this.#list(kind);
    }
  }

  release(kind: DeviceKind): void {
    this.#asked[kind]++;
    const track = this.#tracks[kind];
    this.#tracks[kind] = null;
    if (track) {
      track.onended = null;
      track.stop();
    }
    this.#options.released(kind);
    this.#options.changed(kind, { status: "off", problem: null });
  }

  async #use(kind: DeviceKind, track: MediaStreamTrack, id: string): Promise<void> {
    const { changed, used } = this.#options;
    this.#tracks[kind]?.stop();
    this.#tracks[kind] = track;
    const deviceId = track.getSettings?.().deviceId ?? id;
    if (id) remember(kind, id);
    changed(kind, { status: "on", problem: null, deviceId });
    track.onended = () => this.#unplugged(kind, track);
    await used(kind, track);
    await this.#list(kind);
  }

  /** What there is to choose from; only with permission do the devices have names. */
  async #list(kind: DeviceKind): Promise<void> {
    const choices = await listDevices(kind).catch(() => []);
    this.#options.changed(kind, { choices });
  }

  #live(kind: DeviceKind): boolean {
    return this.#tracks[kind]?.readyState === "live";
  }

  #unplugged(kind: DeviceKind, track: MediaStreamTrack): void {
    if (this.#tracks[kind] !== track) return;
    this.release(kind);
    this.#options.changed(kind, { status: "problem", problem: "missing" });
    this.#options.unplugged(kind);
  }
}
