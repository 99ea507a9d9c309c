import type { StoreApi } from "zustand/vanilla";
import { deviceProblemText } from "../../deviceProblemText";
import type { Connections } from "../../rtc/connections";
import { type DeviceKind, openDevice } from "../../rtc/devices";
import type { Levels } from "../../rtc/levels";
import type { DeviceProblemKind } from "../../rtc/problems";
import type { Outgoing } from "../../signaling/signaling";
import { texts } from "../../texts";
import { showToast } from "../reduce/toasts";
import type { DeviceState, SessionState } from "../state";
import { OwnDevices } from "./ownDevices";

/** The id of our own microphone's level before we have a participant id. */
export const OWN_LEVEL = "self";

export interface OwnMediaOptions {
  store: StoreApi<SessionState>;
  connections: Connections;
  levels: Levels;
  send: (message: Outgoing) => void;
  open?: typeof openDevice;
}

/** What a join says about our devices. */
interface Announcement {
  muted: boolean;
  camera: boolean;
}

/** Our own sound and picture: from the devices to the connections, the meter and the others. */
export class OwnMedia {
  readonly #options: OwnMediaOptions;
  readonly #store: StoreApi<SessionState>;
  readonly #devices: OwnDevices;
  #announced: Announcement = { muted: true, camera: false };

  constructor(options: OwnMediaOptions) {
    this.#options = options;
    const store = options.store;
    this.#store = store;
    this.#devices = new OwnDevices({
      open: options.open ?? openDevice,
      changed: (kind, change) => this.#change(kind, change),
      used: (kind, track) => this.#used(kind, track),
      released: (kind) => this.#released(kind),
      unplugged: (kind) => this.#update(kind === "camera" ? { camera: false } : { muted: true }),
      plugged: (kind, more) => this.#plugged(kind, more),
      permitted: (kind, permission) => this.#permitted(kind, permission),
      kept: (kind, problem) => {
        const { title, hint } = deviceProblemText(kind, problem);
        showToast(store, title, `${hint} ${texts.devices.kept}`);
      },
    });
  }

  get microphone(): MediaStreamTrack | null {
    return this.#devices.microphone;
  }

  get camera(): MediaStreamTrack | null {
    return this.#devices.camera;
  }

  /** Whether nobody can hear us. */
  get silent(): boolean {
    return this.#store.getState().muted || this.microphone === null;
  }

  /** What to say about our devices in a join. */
  announce(): Announcement {
    this.#announced = this.#now();
    return this.#announced;
  }

  /** We are in the lobby: tell what has changed since the join was sent, such as a camera that has opened. */
  joined(): void {
    const { muted, camera } = this.#now();
    if (muted !== this.#announced.muted) this.#update({ muted });
    if (camera !== this.#announced.camera) this.#update({ camera });
  }

  /** Open (or change) a device. Problems end up in the state, in terms a person can act upon. */
  open(kind: DeviceKind, id?: string): Promise<void> {
    return this.#devices.open(kind, id);
  }

  /** The person has read why the device cannot be used. */
  problemRead(kind: DeviceKind): void {
    this.#change(kind, { unread: false });
  }

  setMuted(muted: boolean): void {
    this.#store.setState(muted ? { muted, muteAsked: null } : { muted });
    if (this.microphone) this.microphone.enabled = !muted;
    this.#update({ muted: this.silent });
  }

  closeCamera(): void {
    this.#devices.release("camera");
    this.#update({ camera: false });
  }

  /** Close both devices without telling anybody. */
  release(): void {
    this.#devices.release("microphone");
    this.#devices.release("camera");
  }

  async #used(kind: DeviceKind, track: MediaStreamTrack): Promise<void> {
    const { connections, levels } = this.#options;
    if (kind === "microphone") {
      track.enabled = !this.#store.getState().muted;
      levels.setOwn(OWN_LEVEL, track);
      await connections.setMicrophone(track);
      this.#update({ muted: this.#store.getState().muted });
    } else {
      await connections.setCamera(track);
      this.#update({ camera: true });
    }
  }

  #now(): Announcement {
    return { muted: this.silent, camera: this.#store.getState().camera.status === "on" };
  }

  #released(kind: DeviceKind): void {
    const { connections, levels } = this.#options;
    if (kind === "microphone") {
      levels.setOwn(OWN_LEVEL, null);
      void connections.setMicrophone(null);
    } else {
      void connections.setCamera(null);
    }
  }

  #plugged(kind: DeviceKind, more: boolean): void {
    if (this.#triesAgain(kind)) void this.open(kind);
    else if (more) this.#cured(kind, ["missing", "unplugged"]);
  }

  #permitted(kind: DeviceKind, permission: PermissionState): void {
    if (permission === "denied") return;
    if (permission === "granted" && this.#triesAgain(kind)) void this.open(kind);
    else this.#cured(kind, ["denied", "dismissed"]);
  }

  /** Before joining, the microphone opens by itself as soon as it can; nobody hears it yet. */
  #triesAgain(kind: DeviceKind): boolean {
    const { phase, [kind]: device } = this.#store.getState();
    const before = phase === "prejoin" || phase === "joining";
    return kind === "microphone" && before && device.status === "problem";
  }

  /** The problem is gone. In a lobby, only a person turns a device on. */
  #cured(kind: DeviceKind, problems: readonly DeviceProblemKind[]): void {
    const { problem } = this.#store.getState()[kind];
    if (problem && problems.includes(problem)) {
      this.#change(kind, { status: "off", problem: null, unread: false });
    }
  }

  #change(kind: DeviceKind, change: Partial<DeviceState>): void {
    this.#store.setState((state) => ({ [kind]: { ...state[kind], ...change } }));
  }

  /** Tell the others what changed about us. */
  #update(data: { muted?: boolean; camera?: boolean }): void {
    const { phase, lobbyId } = this.#store.getState();
    if (phase !== "lobby" || !lobbyId) return;
    this.#options.send({ type: "participant_update", lobby: lobbyId, data });
  }
}
