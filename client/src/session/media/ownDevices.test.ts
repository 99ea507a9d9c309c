import { expect, test, vi } from "vitest";
import { DeviceProblem } from "../../rtc/problems";
import { FakeTrack } from "../../testing/FakePeerConnection";
import { FakeSocket } from "../../testing/FakeSocket";
import { inLobby, makeClient, track, welcome } from "../../testing/fakeClient";
import { settle } from "../../testing/settle";
import { texts } from "../../texts";

test("when no camera slot is free, a person joins without a camera and is told", async () => {
  const client = await inLobby();
  await client.openDevice("camera");
  const camera = client.camera as unknown as FakeTrack;
  const data = { code: "camera_limit", message: "6 cameras are on." };
  FakeSocket.last.receive({ type: "error", data });
  expect(client.state).toMatchObject({ phase: "lobby", camera: { status: "off" } });
  expect(camera.readyState).toBe("ended");
  expect(FakeSocket.last.of("participant_update").at(-1)?.data).toEqual({ camera: false });
  expect(client.state.toasts).toMatchObject([data]);
});

test("others are told about devices that open while we join", async () => {
  const client = makeClient("?lobby=demo&name=Grace");
  client.join("Grace");
  await settle();
  FakeSocket.last.establish();
  expect(FakeSocket.last.of("join_lobby")).toMatchObject([
    { data: { muted: true, camera: false } },
  ]);
  await client.openDevice("camera");
  await client.openDevice("microphone");
  expect(FakeSocket.last.of("participant_update")).toEqual([]);
  welcome();
  const told = FakeSocket.last.of("participant_update").map(({ data }) => data);
  expect(told).toEqual([{ muted: false }, { camera: true }]);
});

test("an unplugged microphone is reported, and others see us muted", async () => {
  const client = await inLobby();
  const microphone = client.microphone as unknown as FakeTrack;
  microphone.onended?.();
  await settle();
  const problem = { status: "problem", problem: "unplugged", unread: true };
  expect(client.state.microphone).toMatchObject(problem);
  expect(FakeSocket.last.of("participant_update").at(-1)?.data).toEqual({ muted: true });
});

test("a device that cannot be opened leaves the one in use as it is, and on", async () => {
  const client = await inLobby({
    open: async (kind, id) => {
      if (id === "busy") throw new DeviceProblem("busy");
      return track(kind);
    },
  });
  await client.openDevice("camera");
  for (const kind of ["microphone", "camera"] as const) {
    const used = client[kind];
    const trying = client.openDevice(kind, "busy");
    expect(client.state[kind].status).toBe("on");
    await trying;
    expect(client[kind]).toBe(used);
    expect(used?.readyState).toBe("live");
    expect(client.state[kind]).toMatchObject({ status: "on", problem: null });
  }
  expect(client.state.toasts.map(({ message }) => message)).toEqual([
    texts.devices.titles.busy,
    texts.devices.cameraTitles.busy,
  ]);
});

test("a device that is plugged in during the call can be chosen", async () => {
  const devices: Partial<MediaDeviceInfo>[] = [];
  const media = Object.assign(new EventTarget(), { enumerateDevices: async () => devices });
  Object.defineProperty(navigator, "mediaDevices", { value: media, configurable: true });
  const client = await inLobby();
  expect(client.state.microphone.choices).toEqual([]);
  devices.push({ kind: "audioinput", deviceId: "headset", label: "Headset" });
  media.dispatchEvent(new Event("devicechange"));
  await settle();
  expect(client.state.microphone.choices).toEqual([{ id: "headset", label: "Headset" }]);
  expect(client.state.camera.choices).toEqual([]);
});

test("plugging in a device removes the message that it is missing, but does not turn it on", async () => {
  const devices: Partial<MediaDeviceInfo>[] = [];
  const media = Object.assign(new EventTarget(), { enumerateDevices: async () => devices });
  Object.defineProperty(navigator, "mediaDevices", { value: media, configurable: true });
  const open = vi.fn(async (kind: string) => {
    if (kind === "camera") throw new DeviceProblem("missing");
    return track(kind);
  });
  const client = await inLobby({ open });
  await client.openDevice("camera");
  const missing = { status: "problem", problem: "missing", unread: true };
  media.dispatchEvent(new Event("devicechange"));
  await settle();
  expect(client.state.camera).toMatchObject(missing);
  devices.push({ kind: "videoinput", deviceId: "", label: "" });
  media.dispatchEvent(new Event("devicechange"));
  await settle();
  expect(client.state.camera).toMatchObject({ status: "off", problem: null, unread: false });
  expect(open.mock.calls.map(([kind]) => kind)).toEqual(["microphone", "camera"]);
});

test("a message about a blocked device disappears when the browser allows it", async () => {
  const permission = Object.assign(new EventTarget(), { state: "denied" });
  const permissions = { query: async () => permission };
  vi.spyOn(navigator, "permissions", "get").mockReturnValue(permissions as never);
  let blocked = false;
  const open = async (kind: string) => {
    if (blocked) throw new DeviceProblem("denied");
    return track(kind);
  };
  const client = await inLobby({ open });
  blocked = true;
  await client.openDevice("camera");
  permission.dispatchEvent(new Event("change"));
  expect(client.state.camera).toMatchObject({ problem: "denied", unread: true });
  permission.state = "prompt";
  permission.dispatchEvent(new Event("change"));
  expect(client.state.camera).toMatchObject({ status: "off", problem: null, unread: false });
});

test("before joining, the microphone opens by itself as soon as the browser allows it", async () => {
  const permission = Object.assign(new EventTarget(), { state: "denied" });
  const permissions = { query: async () => permission };
  vi.spyOn(navigator, "permissions", "get").mockReturnValue(permissions as never);
  const client = makeClient("?lobby=demo", {
    open: async (kind) => {
      if (permission.state === "denied") throw new DeviceProblem("denied");
      return track(kind);
    },
  });
  await client.openDevice("microphone");
  expect(client.state.microphone.status).toBe("problem");
  permission.state = "granted";
  permission.dispatchEvent(new Event("change"));
  await settle();
  expect(client.state.microphone.status).toBe("on");
});

test("of two quick device choices, the last one counts", async () => {
  const opened: { id: string | undefined; track: FakeTrack; resolve: () => void }[] = [];
  const client = makeClient("?lobby=demo", {
    open: (_kind, id) =>
      new Promise((resolve) => {
        const made = new FakeTrack("audio");
        const done = () => resolve(made as unknown as MediaStreamTrack);
        opened.push({ id, track: made, resolve: done });
      }),
  });
  const first = client.openDevice("microphone", "one");
  const second = client.openDevice("microphone", "two");
  opened[1]?.resolve();
  opened[0]?.resolve();
  await Promise.all([first, second]);
  expect(client.microphone).toBe(opened[1]?.track);
  expect(opened[0]?.track.readyState).toBe("ended");
});
