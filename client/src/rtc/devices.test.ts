import { afterEach, expect, test, vi } from "vitest";
import { openDevice } from "./devices";

afterEach(() => vi.unstubAllGlobals());

function devices(getUserMedia: (wanted: MediaStreamConstraints) => unknown) {
  const asked = vi.fn(getUserMedia);
  vi.stubGlobal("navigator", { mediaDevices: { getUserMedia: asked } });
  return asked;
}

const track = { kind: "audio" };
const stream = { getTracks: () => [track] };

test.each([undefined, "headset"])(
  "the microphone %s is asked to leave out echo and noise",
  async (id) => {
    const asked = devices(async () => stream);
    expect(await openDevice("microphone", id)).toBe(track);
    const { audio, video } = asked.mock.lastCall?.[0] ?? {};
    expect(audio).toMatchObject({
      echoCancellation: true,
      noiseSuppression: true,
      autoGainControl: true,
      ...(id ? { deviceId: { exact: id } } : {}),
    });
    expect(video).toBeUndefined();
  },
);

test("if the remembered microphone is gone, the default one is used with echo cancellation", async () => {
  const asked = devices(async ({ audio }) => {
    if ((audio as MediaTrackConstraints).deviceId) throw new DOMException("gone", "NotFoundError");
    return stream;
  });
  expect(await openDevice("microphone", "gone")).toBe(track);
  expect(asked.mock.lastCall?.[0]).toEqual({
    audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
  });
});
