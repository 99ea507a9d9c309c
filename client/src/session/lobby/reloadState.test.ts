import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { readOptions } from "../../options";
import { DeviceProblem } from "../../rtc/problems";
import { FakePeerConnection, FakeTrack } from "../../testing/FakePeerConnection";
import { FakeSocket } from "../../testing/FakeSocket";
import { settle } from "../../testing/settle";
import { Client, type ClientParts } from "../client";
import { UNCERTAIN } from "./chat";
import { recallReloadState } from "./reloadState";

let clients: Client[] = [];

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  for (const client of clients) client.unload();
  clients = [];
  vi.useRealTimers();
});

/** A page that is loaded at this address, in the same tab. */
function load(search: string, parts: Partial<ClientParts> = {}): Client {
  const client = new Client(readOptions(search), {
    signaling: { openSocket: FakeSocket.open, prepare: async () => {}, random: () => 0.5 },
    createConnection: FakePeerConnection.create,
    open: async (kind) => new FakeTrack(kind) as unknown as MediaStreamTrack,
    lookUp: async (id) => ({ id, name: "Demo lobby", knock: false }),
    ...parts,
  });
  clients.push(client);
  void client.start();
  return client;
}

function welcome(participant_id = "p-1"): void {
  const socket = FakeSocket.last;
  const id = socket.of("join_lobby").at(-1)?.id ?? null;
  const lobby = "demo";
  const data = { participant_id, ice_servers: [] };
  socket.receive({ type: "lobby_joined", id, lobby, seq: 1, data });
  socket.receive({
    type: "lobby_state",
    lobby,
    seq: 2,
    data: {
      lobby: { id: lobby, name: "Demo" },
      participants: [{ id: participant_id, name: "Grace", kind: "human" }],
      version: 1,
    },
  });
}

function greet(resumed: boolean, lobby: string | null = resumed ? "demo" : null): void {
  FakeSocket.last.readyState = 1;
  const participant_id = resumed ? "p-1" : null;
  FakeSocket.last.receive({
    type: "session_established",
    data: { session: "s-1", version: "0", resumed, lobby, participant_id },
  });
}

async function inLobby(): Promise<Client> {
  const client = load("?lobby=demo");
  await client.openDevice("microphone");
  client.join("Grace");
  await settle();
  greet(false);
  welcome();
  return client;
}

async function reload(parts?: Partial<ClientParts>): Promise<Client> {
  const client = load("?lobby=demo", parts);
  await settle();
  return client;
}

test("a page that is reloaded sends no leave message, so its seat is kept", async () => {
  const client = await inLobby();
  const socket = FakeSocket.last;
  client.unload();
  expect(socket.of("leave_lobby")).toEqual([]);
  expect(socket.closedWith).toBe(1000);
});

test("a reloaded page rejoins by itself with its name, mute state, devices and conversation", async () => {
  const before = await inLobby();
  await before.openDevice("camera");
  before.setMuted(true);
  const lobby = "demo";
  const said = { participant_id: "a-1", name: "Ada", t: 1 };
  FakeSocket.last.receive({
    type: "transcript",
    lobby,
    data: { ...said, utterance_id: "u1", text: "Hello.", final: true },
  });
  FakeSocket.last.receive({
    type: "transcript",
    lobby,
    data: { ...said, utterance_id: "u2", text: "And", final: false },
  });
  FakeSocket.last.receive({
    type: "chat_message",
    lobby,
    data: { text: "hi", participant_id: "p-1" },
  });
  before.unload();

  const after = await reload();
  expect(after.state).toMatchObject({ phase: "returning", name: "Grace", muted: true });
  expect(FakeSocket.last.of("join_lobby")).toEqual([]);
  greet(true);
  expect(FakeSocket.last.of("join_lobby")).toMatchObject([
    { lobby, data: { name: "Grace", muted: true, camera: true } },
  ]);
  expect(FakeSocket.last.of("resume")).toEqual([]);
  welcome();
  expect(after.state).toMatchObject({ phase: "lobby", self: "p-1", camera: { status: "on" } });
  expect(after.microphone?.enabled).toBe(false);
  expect(after.state.timeline).toMatchObject([
    { kind: "caption", text: "Hello." },
    { kind: "chat", name: "Grace", text: "hi" },
  ]);
});

test("kept and new lines have distinct keys", async () => {
  const before = await inLobby();
  const chat = (text: string) =>
    FakeSocket.last.receive({
      type: "chat_message",
      lobby: "demo",
      data: { text, participant_id: "p-1" },
    });
  chat("one");
  before.unload();
  const after = await reload();
  greet(true);
  welcome();
  chat("two");
  expect(new Set(after.state.timeline.map(({ key }) => key)).size).toBe(2);
});

test("without its seat, or in another lobby, a reloaded page shows the join page", async () => {
  (await inLobby()).unload();
  for (const lobby of [null, "other"]) {
    const kept = sessionStorage.getItem("voicebot.stay");
    const after = await reload();
    greet(lobby !== null, lobby);
    expect(FakeSocket.last.of("join_lobby")).toEqual([]);
    expect(after.state).toMatchObject({ phase: "prejoin", timeline: [], socket: "closed" });
    expect(recallReloadState("demo")).toBeNull();
    sessionStorage.setItem("voicebot.stay", kept ?? "");
  }
});

test("the reload state belongs to its lobby", async () => {
  (await inLobby()).unload();
  expect(load("?lobby=other").state.phase).toBe("prejoin");
  expect(load("").state.phase).toBe("start");
});

test.each<[string, (client: Client) => void]>([
  ["left", (client) => client.leave()],
  ["gone", () => FakeSocket.last.receive({ type: "lobby_destroyed", lobby: "demo", data: {} })],
  ["elsewhere", () => FakeSocket.last.drop(4409)],
  ["expired", () => FakeSocket.last.receive({ type: "session_expired", data: {} })],
])("a lobby that is over is forgotten: %s", async (phase, end) => {
  const client = await inLobby();
  expect(recallReloadState("demo")).not.toBeNull();
  end(client);
  expect(client.state.phase).toBe(phase);
  expect(recallReloadState("demo")).toBeNull();
  client.unload();
  expect((await reload()).state.phase).toBe("prejoin");
});

test("messages not confirmed before a reload are shown as unconfirmed", async () => {
  const before = await inLobby();
  before.chat.send("perhaps");
  before.unload();
  const after = await reload();
  greet(true);
  welcome();
  expect(after.state.pendingChat).toMatchObject([{ text: "perhaps", error: UNCERTAIN }]);
});

test("a duplicated tab does not take the lock from the one that is live", async () => {
  (await inLobby()).unload();
  const sockets = FakeSocket.sockets.length;
  const claim = vi.fn(async (patience?: number) => patience === undefined);
  const after = await reload({ tabLock: { claim, release: () => {} } });
  expect(after.state).toMatchObject({ phase: "prejoin", name: "Grace" });
  expect(FakeSocket.sockets).toHaveLength(sockets);
  expect(claim).toHaveBeenCalledOnce();
});

test("after a reload without permission, a person listens and is told why", async () => {
  (await inLobby()).unload();
  const after = await reload({ open: () => Promise.reject(new DeviceProblem("denied")) });
  greet(true);
  expect(FakeSocket.last.of("join_lobby")).toMatchObject([{ data: { muted: true } }]);
  welcome();
  expect(after.state).toMatchObject({
    phase: "lobby",
    microphone: { problem: "denied", unread: true },
  });
});

test("a permission prompt after a reload does not delay coming back", async () => {
  (await inLobby()).unload();
  let allow = (_track: MediaStreamTrack) => {};
  const open = () =>
    new Promise<MediaStreamTrack>((resolve) => {
      allow = resolve;
    });
  const after = await reload({ open });
  greet(true);
  expect(FakeSocket.last.of("join_lobby")).toEqual([]);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(FakeSocket.last.of("join_lobby")).toMatchObject([{ data: { muted: true } }]);
  welcome();
  allow(new FakeTrack("audio") as unknown as MediaStreamTrack);
  await settle();
  expect(FakeSocket.last.of("participant_update").at(-1)?.data).toEqual({ muted: false });
  expect(after.state.microphone.status).toBe("on");
});

test("a person who listened without a microphone is not asked for one", async () => {
  const client = load("?lobby=demo");
  client.join("Grace");
  await settle();
  greet(false);
  welcome();
  client.unload();
  const open = vi.fn();
  await reload({ open });
  greet(true);
  expect(FakeSocket.last.of("join_lobby")).toMatchObject([{ data: { muted: true } }]);
  expect(open).not.toHaveBeenCalled();
});

test("a person who declines to rejoin sees the join page", async () => {
  (await inLobby()).unload();
  const after = await reload();
  after.turnAround();
  expect(after.state.phase).toBe("prejoin");
  expect(FakeSocket.last.closedWith).toBe(1000);
  expect(recallReloadState("demo")).toBeNull();
});

test("storage with other content is not taken for a reload state", () => {
  for (const text of ["", "{", "3", "[]", '{"lobby":"demo"}', '{"lobby":"x","name":"G"}']) {
    sessionStorage.setItem("voicebot.stay", text);
    expect(recallReloadState("demo")).toBeNull();
  }
});

test("a new seat in the lobby begins without the old seat's connections", async () => {
  const client = await inLobby();
  FakeSocket.last.receive({
    type: "start_webrtc_negotiation",
    lobby: "demo",
    peer: "p-2",
    epoch: 7,
    data: { role: "impolite", ice_servers: [] },
  });
  await settle();
  const pc = FakePeerConnection.last;
  FakeSocket.last.drop();
  await vi.advanceTimersByTimeAsync(0);
  greet(false);
  // What is heard is heard until there is something new.
  expect(pc.closed).toBe(false);
  welcome("p-9");
  expect(pc.closed).toBe(true);
  expect(client.state).toMatchObject({ self: "p-9", peers: {} });
});

test("another participant's seat is not mistaken for our own", async () => {
  await inLobby();
  FakeSocket.last.drop();
  await vi.advanceTimersByTimeAsync(0);
  FakeSocket.last.readyState = 1;
  const data = { session: "s-1", version: "0", resumed: true, lobby: "demo" };
  FakeSocket.last.receive({
    type: "session_established",
    data: { ...data, participant_id: "p-5" },
  });
  expect(FakeSocket.last.of("join_lobby")).toHaveLength(1);
});
