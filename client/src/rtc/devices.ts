import { DeviceProblem, deviceProblem } from "./problems";

export type DeviceKind = "microphone" | "camera";

export interface DeviceChoice {
  id: string;
  label: string;
}

const CONSTRAINTS: Record<DeviceKind, (id?: string) => MediaStreamConstraints> = {
  microphone: (id) => ({
    audio: {
      echoCancellation: true,
      noiseSuppression: true,
      autoGainControl: true,
      ...(id ? { deviceId: { exact: id } } : {}),
    },
  }),
  // A mesh sends it once for every other person, so it stays small.
  camera: (id) => ({
    video: {
      width: { ideal: 640 },
      height: { ideal: 360 },
      frameRate: { ideal: 24, max: 30 },
      ...(id ? { deviceId: { exact: id } } : { facingMode: "user" }),
    },
  }),
};

/** Open a device; asks the person for permission when that has not been given.
 *
 * Throws DeviceProblem. A remembered device that is gone falls back to the default one. */
export async function openDevice(kind: DeviceKind, id?: string): Promise<MediaStreamTrack> {
  const media = navigator.mediaDevices;
  if (!media?.getUserMedia) {
    throw new DeviceProblem(window.isSecureContext ? "unsupported" : "insecure");
  }
  try {
    return await open(media, kind, id);
  } catch (error) {
    const { state = null } = (await permissionFor(kind)) ?? {};
    const problem = deviceProblem(error, window.self !== window.top, state);
    if (id && problem.kind === "missing") return openDevice(kind);
    throw problem;
  }
}

async function open(media: MediaDevices, kind: DeviceKind, id?: string): Promise<MediaStreamTrack> {
  const stream = await media.getUserMedia(CONSTRAINTS[kind](id));
  const track = stream.getTracks()[0];
  if (!track) throw new DeviceProblem("missing");
  return track;
}

/** Whether this site may use such a device; null where the browser does not say. */
export async function permissionFor(kind: DeviceKind): Promise<PermissionStatus | null> {
  // Firefox before 131 knows no such permissions.
  const asked = navigator.permissions?.query({ name: kind as PermissionName });
  return (await asked?.catch(() => null)) ?? null;
}

/** How many there are, and those that can be chosen: without permission they have no names. */
export async function listDevices(
  kind: DeviceKind,
): Promise<{ count: number; choices: DeviceChoice[] }> {
  const wanted = kind === "microphone" ? "audioinput" : "videoinput";
  const devices = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
  const all = devices.filter((device) => device.kind === wanted);
  const choices = all
    .filter(({ deviceId }) => deviceId !== "")
    .map(({ deviceId, label }, index) => ({
      id: deviceId,
      label: label || `${kind} ${index + 1}`,
    }));
  return { count: all.length, choices };
}
