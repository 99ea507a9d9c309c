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
    const problem = deviceProblem(error, window.self !== window.top);
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

export async function listDevices(kind: DeviceKind): Promise<DeviceChoice[]> {
  const all = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
  const wanted = kind === "microphone" ? "audioinput" : "videoinput";
  return all
    .filter((device) => device.kind === wanted && device.deviceId !== "")
    .map(({ deviceId, label }, index) => ({
      id: deviceId,
      label: label || `${kind} ${index + 1}`,
    }));
}
