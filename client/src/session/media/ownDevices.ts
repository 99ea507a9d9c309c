import { type DeviceKind, listDevices, type openDevice, permissionFor } from "../../rtc/devices";
import { type DeviceProblemKind, deviceProblem } from "../../rtc/problems";
import { recall, remember } from "../lobby/memory";
import type { DeviceState } from "../state";

export interface OwnDevicesOptions {
  open: typeof openDevice;
  /** What people see of a device has changed. */
  changed: (kind: DeviceKind, change: Partial<DeviceState>) => void;
  /** Another device is in use now. */
  used: (kind: DeviceKind, track: MediaStreamTrack) => Promise<void>;
  released: (kind: DeviceKind) => void;
  unplugged: (kind: DeviceKind) => void;
  /** The list of devices has changed; with `more`, it has grown. */
  plugged: (kind: DeviceKind, more: boolean) => void;
  /** What the browser allows this site has changed. */
  permitted: (kind: DeviceKind, permission: PermissionState) => void;
  /** Another device could not be opened. The one in use stays. */
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
  /** The number of devices at the last look. */
  readonly #count: Record<DeviceKind, number> = { microphone: 0, camera: 0 };

  constructor(options: OwnDevicesOptions) {
    this.#options = options;
    const kinds = ["microphone", "camera"] as const;
    navigator.mediaDevices?.addEventListener?.("devicechange", () => {
      for (const kind of kinds) {
        void this.#list(kind).then((more) => options.plugged(kind, more));
      }
    });
    for (const kind of kinds) {
      void permissionFor(kind).then((permission) =>
        permission?.addEventListener("change", () => options.permitted(kind, permission.state)),
      );
    }
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
    // The live device stays on, and is shown as on, until the other one is open.
    if (!this.#live(kind)) changed(kind, { status: "asking", problem: null, unread: false });
    try {
      const track = await open(kind, id || undefined);
      if (asked !== this.#asked[kind]) {
        track.stop();
        return;
      }
      await this.#use(kind, track, id);
    } catch (error) {
      if (asked !== this.#asked[kind]) return;
      const { kind: problem } = deviceProblem(error);
      if (this.#live(kind)) {
        this.#options.kept(kind, problem);
      } else {
        this.release(kind);
        changed(kind, { status: "problem", problem, unread: true });
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
    this.#options.changed(kind, { status: "off", problem: null, unread: false });
  }

  async #use(kind: DeviceKind, track: MediaStreamTrack, id: string): Promise<void> {
    const { changed, used } = this.#options;
    this.#tracks[kind]?.stop();
    this.#tracks[kind] = track;
    const deviceId = track.getSettings?.().deviceId ?? id;
    if (id) remember(kind, id);
    changed(kind, { status: "on", problem: null, unread: false, deviceId });
    track.onended = () => this.#unplugged(kind, track);
    await used(kind, track);
    await this.#list(kind);
  }

  /** List the devices to choose from. Resolves to whether there are more than before. */
  async #list(kind: DeviceKind): Promise<boolean> {
    const { count, choices } = await listDevices(kind).catch(() => ({ count: 0, choices: [] }));
    const more = count > this.#count[kind];
    this.#count[kind] = count;
    this.#options.changed(kind, { choices });
    return more;
  }

  #live(kind: DeviceKind): boolean {
    return this.#tracks[kind]?.readyState === "live";
  }

  #unplugged(kind: DeviceKind, track: MediaStreamTrack): void {
    if (this.#tracks[kind] !== track) return;
    this.release(kind);
    this.#options.changed(kind, { status: "problem", problem: "unplugged", unread: true });
    this.#options.unplugged(kind);
  }
}
