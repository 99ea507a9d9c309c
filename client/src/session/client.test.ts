import { expect, test, vi } from "vitest";
import { DeviceProblem } from "../rtc/problems";
import { Refusal } from "../signaling/endpoints";
import { FakePeerConnection, type FakeTrack } from "../testing/FakePeerConnection";
import { FakeSocket } from "../testing/FakeSocket";
import { inLobby, makeClient, welcome } from "../testing/fakeClient";
import { settle } from "../testing/settle";
import { texts } from "../texts";

test("joins with name and microphone, and remembers the name", async () => {
  const client = await inLobby();
  expect(client.state.phase).toBe("lobby");
  expect(FakeSocket.last.of("join_lobby")).toMatchObject([
    { lobby: "demo", data: { name: "Grace", muted: false, camera: false } },
  ]);
  expect(makeClient("?lobby=demo").state.name).toBe("Grace");
});

test("a name in the address wins over the remembered one", () => {
  localStorage.setItem("voicebot.name", "Ada");
  expect(makeClient("?lobby=demo&name=Linus").state.name).toBe("Linus");
});

test("without a microphone, a person joins muted and is told why", async () => {
  const client = await inLobby({ open: () => Promise.reject(new DeviceProblem("denied")) });
  expect(client.state.microphone).toMatchObject({ status: "problem", problem: "denied" });
  expect(FakeSocket.last.of("join_lobby")).toMatchObject([{ data: { muted: true } }]);
});

test("the join page shows the lobby's name, or that there is no such lobby", async () => {
  const client = makeClient("?lobby=demo");
  await client.peek();
  expect(client.state.lobby?.name).toBe("Demo lobby");
  const missing = makeClient("?lobby=nope", { lookUp: async () => "missing" });
  await missing.peek();
  expect(missing.state).toMatchObject({ phase: "gone", reason: "missing" });
});

test("a refusal before joining is shown instead of the join page", async () => {
  const client = makeClient("?lobby=demo", { lookUp: () => Promise.reject(new Refusal("origin")) });
  await client.peek();
  expect(client.state).toMatchObject({ phase: "refused", reason: "origin" });
  expect(FakeSocket.sockets).toHaveLength(0);
});

test("muting silences the track and tells the others", async () => {
  const client = await inLobby();
  client.setMuted(true);
  expect(client.microphone?.enabled).toBe(false);
  expect(FakeSocket.last.of("participant_update").at(-1)?.data).toEqual({ muted: true });
  client.setMuted(false);
  expect(client.microphone?.enabled).toBe(true);
});

test("the page rejoins a restarted server by itself", async () => {
  const client = await inLobby();
  FakeSocket.last.drop();
  await vi.advanceTimersByTimeAsync(0);
  expect(client.state).toMatchObject({ phase: "lobby", socket: "reconnecting" });
  FakeSocket.last.establish(false);
  expect(FakeSocket.last.of("join_lobby")).toHaveLength(1);
  welcome();
  expect(client.state).toMatchObject({ phase: "lobby", socket: "open" });
});

test("a lobby that is gone after a restart is shown as gone", async () => {
  const client = await inLobby();
  const microphone = client.microphone as unknown as FakeTrack;
  FakeSocket.last.drop();
  await vi.advanceTimersByTimeAsync(0);
  FakeSocket.last.establish(false);
  const id = FakeSocket.last.of("join_lobby")[0]?.id ?? null;
  FakeSocket.last.receive({
    type: "error",
    id,
    data: { code: "unknown_lobby", message: "There is no such lobby." },
  });
  expect(client.state).toMatchObject({ phase: "gone", reason: "missing", socket: "closed" });
  expect(FakeSocket.last.closedWith).toBe(1000);
  expect(microphone.readyState).toBe("ended");
});

test("after a lost seat, the page no longer waits for an agent that was being created", async () => {
  const client = await inLobby();
  client.addAgent("a cook");
  FakeSocket.last.drop();
  await vi.advanceTimersByTimeAsync(0);
  FakeSocket.last.establish(false);
  expect(client.state).toMatchObject({ adding: null, toasts: [texts.addAgent.lost] });
});

test("a resume without a seat joins again", async () => {
  await inLobby();
  FakeSocket.last.drop();
  await vi.advanceTimersByTimeAsync(0);
  FakeSocket.last.establish(true);
  expect(FakeSocket.last.of("join_lobby")).toHaveLength(0);
  const data = { code: "not_resumable", message: "The seat is gone." };
  FakeSocket.last.receive({ type: "error", data });
  expect(FakeSocket.last.of("join_lobby")).toHaveLength(1);
});

test("people who left unnoticed are dropped when the lobby state arrives", async () => {
  const client = await inLobby();
  FakeSocket.last.receive({
    type: "start_webrtc_negotiation",
    lobby: "demo",
    peer: "p-2",
    epoch: 1,
    data: { role: "impolite", ice_servers: [] },
  });
  await settle();
  const pc = FakePeerConnection.last;
  FakeSocket.last.receive({
    type: "lobby_state",
    lobby: "demo",
    data: {
      lobby: { id: "demo", name: "Demo" },
      participants: [{ id: "p-1", name: "Grace", kind: "human" }],
      version: 2,
    },
  });
  expect(pc.closed).toBe(true);
  expect(client.state.peers).toEqual({});
});

test("creating a lobby can be retried after the socket was lost", async () => {
  const client = makeClient("");
  client.createLobby({ name: "Tea room" });
  await settle();
  FakeSocket.last.establish();
  expect(client.state.creating).toBe(FakeSocket.last.of("create_lobby")[0]?.id);
  FakeSocket.last.drop();
  await vi.advanceTimersByTimeAsync(0);
  expect(client.state.creating).not.toBeNull();
  FakeSocket.last.establish();
  expect(client.state.creating).toBeNull();
});

test("after a short loss the page resumes, and connections to others continue", async () => {
  const client = await inLobby();
  FakeSocket.last.receive({
    type: "start_webrtc_negotiation",
    lobby: "demo",
    peer: "host",
    epoch: 1,
    seq: 3,
    data: { role: "offerer", ice_servers: [], receive: ["a-1"] },
  });
  await settle();
  const pc = FakePeerConnection.last;
  pc.become("connected");
  await settle();
  await vi.advanceTimersByTimeAsync(10_000); // a ping, whose answer says that all has arrived
  FakeSocket.last.receive({ type: "pong", data: {} });
  FakeSocket.last.drop();
  await vi.advanceTimersByTimeAsync(0);
  FakeSocket.last.establish(true);
  // a server that was restarted learns from it that the connection still stands
  const state = { state: "connected" };
  const said = FakeSocket.last.of("webrtc_state_change");
  expect(said.at(-1)).toMatchObject({ peer: "host", epoch: 1, data: state });
  expect(FakeSocket.last.of("resume")).toMatchObject([{ data: { last_seq: 3 } }]);
  expect(FakeSocket.last.of("join_lobby")).toHaveLength(0);
  expect(pc.closed).toBe(false);
  expect(client.connections.streams.has("a-1")).toBe(true);
});

test("relay credentials are renewed before they end, and open connections use them", async () => {
  const client = await inLobby({}, 600);
  FakeSocket.last.receive({
    type: "start_webrtc_negotiation",
    lobby: "demo",
    peer: "host",
    epoch: 1,
    data: { role: "offerer", ice_servers: [], receive: ["a-1"], relay_only: true },
  });
  await settle();
  const asked = () => FakeSocket.last.of("ice_servers_request");
  const pass = async (seconds: number) => {
    for (let at = 0; at < seconds; at += 10) {
      await vi.advanceTimersByTimeAsync(10_000);
      FakeSocket.last.receive({ type: "pong", data: {} });
    }
  };
  await pass(470);
  expect(asked()).toHaveLength(0);
  await pass(10);
  expect(asked()).toHaveLength(1);
  const fresh = { urls: ["turn:relay.example"], username: "900:x", credential: "secret" };
  const id = asked()[0]?.id ?? null;
  FakeSocket.last.receive({
    type: "ice_servers",
    id,
    data: { ice_servers: [fresh], expires_s: 100 },
  });
  expect(FakePeerConnection.last.configuration).toMatchObject({
    iceServers: [fresh],
    iceTransportPolicy: "relay",
  });
  await pass(80);
  expect(asked()).toHaveLength(2);
  client.leave();
  expect(vi.getTimerCount()).toBe(0);
});

test("the connection to the agent host is closed when the last agent leaves", async () => {
  const client = await inLobby();
  FakeSocket.last.receive({
    type: "start_webrtc_negotiation",
    lobby: "demo",
    peer: "host",
    epoch: 1,
    data: { role: "offerer", ice_servers: [], receive: ["a-1"] },
  });
  await settle();
  expect(client.state.peers.host).toBeDefined();
  FakeSocket.last.receive({
    type: "agent_removed",
    lobby: "demo",
    data: { participant_id: "a-1", reason: "removed" },
  });
  expect(FakePeerConnection.last.closed).toBe(true);
  expect(client.state.peers).toEqual({});
});

test("leaving tells the server and releases all connections and devices", async () => {
  const client = await inLobby();
  const microphone = client.microphone as unknown as FakeTrack;
  const socket = FakeSocket.last;
  client.leave();
  expect(socket.of("leave_lobby")).toHaveLength(1);
  expect(socket.closedWith).toBe(1000);
  expect(microphone.readyState).toBe("ended");
  expect(client.state).toMatchObject({ phase: "left", self: null, socket: "closed" });
});

test("another tab with the same session takes over", async () => {
  const client = await inLobby();
  FakeSocket.last.drop(4409);
  expect(client.state.phase).toBe("elsewhere");
  client.visit("demo");
  expect(client.state.phase).toBe("prejoin");
});

test("an expired session asks for a reload", async () => {
  const client = await inLobby();
  FakeSocket.last.receive({ type: "session_expired", data: {} });
  expect(client.state.phase).toBe("expired");
});
