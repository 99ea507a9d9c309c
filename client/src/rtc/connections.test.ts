import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { ServerMessage } from "../protocol/messages";
import type { Outgoing } from "../signaling/signaling";
import { FakePeerConnection, FakeTrack } from "../testing/FakePeerConnection";
import { settle } from "../testing/settle";
import { Connections, type PeerReport } from "./connections";

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

type Start = Extract<ServerMessage, { type: "start_webrtc_negotiation" }>;

const start = (epoch: number, receive: string[] = ["ada"], more: object = {}): Start => ({
  type: "start_webrtc_negotiation",
  lobby: "demo",
  peer: "host",
  epoch,
  data: { role: "offerer", ice_servers: [], receive, ...more },
});

const answer = (epoch: number): ServerMessage & { type: "webrtc_answer" } => ({
  type: "webrtc_answer",
  peer: "host",
  epoch,
  data: { sdp: "answer", tracks: {} },
});

function make(options: { relayOnly?: boolean } = {}) {
  const sent: Outgoing[] = [];
  const reports: PeerReport[] = [];
  const connections = new Connections({
    send: (message) => sent.push(message),
    relayOnly: false,
    createConnection: FakePeerConnection.create,
    ...options,
  });
  connections.self = "me";
  connections.onReport((report) => reports.push(report));
  const offers = () => sent.filter((message) => message.type === "webrtc_offer");
  return { connections, sent, reports, offers };
}

async function connectedHost() {
  const all = make();
  await all.connections.receive(start(1));
  await all.connections.receive(answer(1));
  FakePeerConnection.last.become("connected");
  await settle();
  return all;
}

test("offers the microphone and one transceiver per agent, and names the agent of each mid", async () => {
  const { connections, offers } = make();
  await connections.setMicrophone(new FakeTrack("audio") as unknown as MediaStreamTrack);
  await connections.receive(start(1, ["ada", "bob"]));
  expect(offers()).toMatchObject([
    { peer: "host", epoch: 1, data: { tracks: { 0: "me", 1: "ada", 2: "bob" } } },
  ]);
  const directions = FakePeerConnection.last.transceivers.map(({ direction }) => direction);
  expect(directions).toEqual(["sendonly", "recvonly", "recvonly"]);
  expect([...connections.streams.keys()]).toEqual(["ada", "bob"]);
});

test("listens without a microphone, which can come later", async () => {
  const { connections } = make();
  await connections.receive(start(1));
  const microphone = FakePeerConnection.last.transceivers[0];
  expect(microphone?.direction).toBe("sendonly");
  expect(microphone?.sender.track).toBeNull();
  const track = new FakeTrack("audio") as unknown as MediaStreamTrack;
  await connections.setMicrophone(track);
  expect(microphone?.sender.track).toBe(track);
});

test("reports the state with the kind of path", async () => {
  const { sent, reports } = await connectedHost();
  expect(sent.at(-1)).toMatchObject({
    type: "webrtc_state_change",
    epoch: 1,
    data: { state: "connected", relay: true, local: "relay", remote: "host" },
  });
  expect(reports.at(-1)).toMatchObject({ state: "connected", route: { relay: true } });
});

test("a repair connects before it closes the old connection", async () => {
  const { connections } = await connectedHost();
  const old = FakePeerConnection.last;
  const heard = connections.streams.get("ada");
  await connections.receive(start(2));
  const repair = FakePeerConnection.last;
  expect(repair).not.toBe(old);
  expect(old.closed).toBe(false);
  expect(connections.streams.get("ada")).toBe(heard);
  await connections.receive(answer(2));
  repair.become("connected");
  await vi.advanceTimersByTimeAsync(500);
  expect(old.closed).toBe(false);
  expect(connections.streams.get("ada")).toBe(heard);
  repair.packetsReceived = 1;
  await vi.advanceTimersByTimeAsync(50);
  expect(old.closed).toBe(true);
  expect(connections.streams.get("ada")).not.toBe(heard);
});

test("a repair waits at most a second for silent agents", async () => {
  const { connections } = await connectedHost();
  const old = FakePeerConnection.last;
  await connections.receive(start(2));
  await connections.receive(answer(2));
  FakePeerConnection.last.become("connected");
  await vi.advanceTimersByTimeAsync(999);
  expect(old.closed).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  expect(old.closed).toBe(true);
});

test("a connection that is lost or replaced during a repair is closed at once", async () => {
  const { connections } = await connectedHost();
  const [first] = FakePeerConnection.all.slice(-1);
  const repair = async (epoch: number) => {
    await connections.receive(start(epoch));
    await connections.receive(answer(epoch));
    const pc = FakePeerConnection.last;
    pc.become("connected");
    await settle();
    return pc;
  };
  const second = await repair(2);
  expect(first?.closed).toBe(false);
  await connections.receive(start(3));
  expect([first?.closed, second.closed]).toEqual([true, false]);
  await connections.receive(answer(3));
  const third = FakePeerConnection.last;
  third.become("connected");
  await settle();
  expect(second.closed).toBe(false);
  second.become("failed");
  expect([second.closed, third.closed]).toEqual([true, false]);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(third.closed).toBe(false);
});

test("a disconnected path is kept during its repair, and may fail meanwhile", async () => {
  const { connections, reports } = await connectedHost();
  const old = FakePeerConnection.last;
  old.become("disconnected");
  await connections.receive(start(2));
  const repair = FakePeerConnection.last;
  expect(old.closed).toBe(false);
  await connections.receive(start(3, ["ada"], { relay_only: true }));
  const relayed = FakePeerConnection.last;
  expect([old.closed, repair.closed]).toEqual([false, true]);
  old.become("failed");
  await connections.receive(answer(3));
  relayed.become("connected");
  await settle();
  expect(old.closed).toBe(true);
  expect(reports.at(-1)).toMatchObject({ epoch: 3, state: "connected" });
});

test("a failed connection is closed at once", async () => {
  const { connections } = await connectedHost();
  const old = FakePeerConnection.last;
  old.become("failed");
  await connections.receive(start(2));
  expect(old.closed).toBe(true);
});

test("each rung of the ladder uses only the servers it was given", async () => {
  const { connections } = make();
  const server = (transport: string) => ({ urls: [`turn:t.example?transport=${transport}`] });
  const rungs = [
    { ice_servers: [server("udp"), server("tcp")], relay_only: false },
    { ice_servers: [server("udp")], relay_only: true },
    { ice_servers: [server("tcp")], relay_only: true },
  ];
  for (const [index, rung] of rungs.entries()) {
    await connections.receive(start(index + 1, ["ada"], rung));
    const { configuration, onicecandidate } = FakePeerConnection.last;
    expect(configuration.iceTransportPolicy).toBe(rung.relay_only ? "relay" : "all");
    expect(configuration.iceServers).toEqual(rung.ice_servers);
    onicecandidate?.({ candidate: null });
  }
  expect(FakePeerConnection.all.slice(-3).map(({ closed }) => closed)).toEqual([true, true, false]);
});

test("after a resume every connection reports its state, and none is closed", async () => {
  const { connections, sent } = await connectedHost();
  await connections.receive({
    ...start(7),
    peer: "bob",
    data: { role: "impolite", ice_servers: [] },
  });
  FakePeerConnection.last.become("connected");
  await settle();
  await connections.receive({
    ...start(8),
    peer: "cleo",
    data: { role: "polite", ice_servers: [] },
  });
  sent.length = 0;
  connections.repeat();
  expect(sent).toMatchObject([
    {
      type: "webrtc_state_change",
      peer: "host",
      epoch: 1,
      data: { state: "connected", relay: true },
    },
    { type: "webrtc_state_change", peer: "bob", epoch: 7, data: { state: "connected" } },
  ]);
  expect(FakePeerConnection.all.slice(-3).map(({ closed }) => closed)).toEqual([
    false,
    false,
    false,
  ]);
});

test("people restart ICE on the same connection when the server asks", async () => {
  const { connections, offers } = make();
  const request = (peer: string): ServerMessage & { type: "renegotiate_request" } => ({
    type: "renegotiate_request",
    lobby: "demo",
    peer,
    epoch: 1,
    data: { ice_restart: true },
  });
  await connections.receive({
    ...start(1),
    peer: "bob",
    data: { role: "impolite", ice_servers: [] },
  });
  await settle();
  const pc = FakePeerConnection.last;
  await connections.receive({
    type: "webrtc_answer",
    peer: "bob",
    epoch: 1,
    data: { sdp: "a", tracks: {} },
  });
  expect(offers()).toHaveLength(1);
  await connections.receive(request("bob"));
  await settle();
  expect(FakePeerConnection.last).toBe(pc);
  expect(offers()).toHaveLength(2);
  expect(offers()[1]?.data.sdp).not.toContain(offers()[0]?.data.sdp.match(/ufrag:.*/)?.[0]);
});

test("a newer epoch replaces a connection that never worked at once", async () => {
  const { connections } = make();
  await connections.receive(start(1));
  const first = FakePeerConnection.last;
  await connections.receive(start(2));
  expect(first.closed).toBe(true);
});

test("messages of an older epoch change nothing", async () => {
  const { connections, offers } = await connectedHost();
  await connections.receive(start(3));
  const repair = FakePeerConnection.last;
  await connections.receive(start(2));
  await connections.receive(answer(2));
  expect(FakePeerConnection.last).toBe(repair);
  expect(repair.remoteDescription).toBeNull();
  expect(offers()).toHaveLength(2);
});

test("renegotiates on the same connection; a transceiver that became free is used again", async () => {
  const { connections, offers } = await connectedHost();
  const pc = FakePeerConnection.last;
  const renegotiate = (receive: string[]) =>
    connections.receive({
      type: "renegotiate_request",
      lobby: "demo",
      peer: "host",
      epoch: 1,
      data: { receive },
    });
  await renegotiate(["bob"]);
  await connections.receive(answer(1));
  expect(FakePeerConnection.last).toBe(pc);
  expect(offers().at(-1)?.data.tracks).toEqual({ 0: "me", 1: "bob" });
  expect([...connections.streams.keys()]).toEqual(["bob"]);
  await renegotiate([]);
  await connections.receive(answer(1));
  expect(pc.transceivers.map(({ direction }) => direction)).toEqual(["sendonly", "inactive"]);
  expect(connections.streams.size).toBe(0);
});

test("two changes at once make one further offer, after the answer", async () => {
  const { connections, offers } = make();
  await connections.receive(start(1, ["ada"]));
  const request = (receive: string[]) =>
    connections.receive({
      type: "renegotiate_request",
      lobby: "demo",
      peer: "host",
      epoch: 1,
      data: { receive },
    });
  await request(["ada", "bob"]);
  await request(["ada", "bob", "cleo"]);
  expect(offers()).toHaveLength(1);
  await connections.receive(answer(1));
  expect(offers()).toHaveLength(2);
  expect(offers().at(-1)?.data.tracks).toEqual({ 0: "me", 1: "ada", 2: "bob", 3: "cleo" });
});

test("candidates are sent as they are found and end with one empty candidate", async () => {
  const { connections, sent } = make();
  await connections.receive(start(1));
  const pc = FakePeerConnection.last;
  pc.onicecandidate?.({
    candidate: { candidate: "candidate:1", sdpMid: "0", sdpMLineIndex: 0, usernameFragment: "u" },
  });
  pc.onicecandidate?.({ candidate: null });
  await vi.advanceTimersByTimeAsync(10_000);
  const candidates = sent.filter((message) => message.type === "ice_candidate");
  expect(candidates.map(({ data }) => data.candidate)).toEqual(["candidate:1", ""]);
});

test("gathering that takes too long is ended after eight seconds", async () => {
  const { connections, sent } = make();
  await connections.receive(start(1));
  const ended = () => sent.some((message) => message.type === "ice_candidate");
  await vi.advanceTimersByTimeAsync(7_999);
  expect(ended()).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  expect(ended()).toBe(true);
});

test("the lack of any local candidate is reported at once", async () => {
  const { connections, sent } = make();
  await connections.receive(start(1));
  FakePeerConnection.last.onicecandidate?.({ candidate: null });
  expect(sent.filter(({ type }) => type === "webrtc_state_change")).toMatchObject([
    { data: { state: "failed", reason: "no_candidates" } },
  ]);
});

test("no connection within 15 seconds is a failure", async () => {
  const { connections, reports } = make();
  await connections.receive(start(1));
  await connections.receive(answer(1));
  await vi.advanceTimersByTimeAsync(15_000);
  expect(reports.at(-1)).toMatchObject({ state: "failed" });
});

test("four seconds of disconnection are a failure, a shorter one is not", async () => {
  const { reports } = await connectedHost();
  const pc = FakePeerConnection.last;
  pc.become("disconnected");
  await vi.advanceTimersByTimeAsync(3_999);
  pc.become("connected");
  await vi.advanceTimersByTimeAsync(10_000);
  expect(reports.some(({ state }) => state === "failed")).toBe(false);
  pc.become("disconnected");
  await vi.advanceTimersByTimeAsync(4_000);
  expect(reports.at(-1)).toMatchObject({ state: "failed" });
});

test("only relays are used if the server or the page asks for it", async () => {
  const { connections } = make();
  await connections.receive(start(1, [], { relay_only: true }));
  expect(FakePeerConnection.last.configuration.iceTransportPolicy).toBe("relay");
  const forced = make({ relayOnly: true });
  await forced.connections.receive(start(1));
  expect(FakePeerConnection.last.configuration.iceTransportPolicy).toBe("relay");
});

test("closing a host also ends its agents' voices", async () => {
  const { connections } = await connectedHost();
  expect(connections.closeAbsent(new Set(), true)).toEqual([]);
  expect(connections.closeAbsent(new Set(), false)).toEqual(["host"]);
  expect(FakePeerConnection.last.closed).toBe(true);
  expect(connections.streams.size).toBe(0);
});

test("only connections to present participants are kept", async () => {
  const { connections } = await connectedHost();
  for (const peer of ["grace", "linus"]) {
    await connections.receive({ ...start(1), peer, data: { role: "impolite", ice_servers: [] } });
  }
  expect(connections.closeAbsent(new Set(["me", "ada", "linus"]), true)).toEqual(["grace"]);
  expect(FakePeerConnection.all.map(({ closed }) => closed)).toEqual([false, true, false]);
});
