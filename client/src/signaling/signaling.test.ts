import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { ServerMessage } from "../protocol/messages";
import { FakeSocket } from "../testing/FakeSocket";
import { backoffMs } from "./backoff";
import { Refusal } from "./endpoints";
import { type Delivery, Signaling, type SignalingOptions, type SocketChange } from "./signaling";

let made: Signaling[] = [];

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  for (const signaling of made) signaling.close();
  made = [];
  vi.useRealTimers();
});

/** `random` in the middle leaves the backoff's times as they are written. */
function make(options: Partial<SignalingOptions> = {}) {
  let id = 0;
  const signaling = new Signaling({
    url: "ws://test/ws",
    openSocket: FakeSocket.open,
    random: () => 0.5,
    newId: () => `m${++id}`,
    ...options,
  });
  made.push(signaling);
  const links: SocketChange[] = [];
  const messages: ServerMessage[] = [];
  const silences: boolean[] = [];
  const deliveries: Delivery[] = [];
  signaling.onSocketState((change) => links.push(change));
  signaling.onSilence((silent) => silences.push(silent));
  signaling.onDelivery((delivery) => deliveries.push(delivery));
  signaling.onMessage((message) => messages.push(message));
  return { signaling, links, messages, silences, deliveries };
}

async function connect(options?: Partial<SignalingOptions>) {
  const all = make(options);
  all.signaling.connect();
  await vi.advanceTimersByTimeAsync(0);
  FakeSocket.last.establish();
  return all;
}

const chat = (text: string) => ({ type: "chat_message" as const, lobby: "demo", data: { text } });

test("waits longer each time, up to seven seconds", async () => {
  const { signaling } = make();
  signaling.connect();
  await vi.advanceTimersByTimeAsync(0);
  for (const seconds of [0, 0.3, ...Array(8).fill(0.5), 1, 2, 3, 5, 7, 7]) {
    const before = FakeSocket.sockets.length;
    FakeSocket.last.drop();
    if (seconds > 0) {
      await vi.advanceTimersByTimeAsync(seconds * 1000 - 1);
      expect(FakeSocket.sockets).toHaveLength(before);
    }
    await vi.advanceTimersByTimeAsync(1);
    expect(FakeSocket.sockets).toHaveLength(before + 1);
  }
});

test("spreads the attempts of many clients", () => {
  expect(backoffMs(14, () => 0)).toBe(5250);
  expect(backoffMs(14, () => 1)).toBe(8750);
});

test("resets the waiting time after a success", async () => {
  await connect();
  FakeSocket.last.drop();
  await vi.advanceTimersByTimeAsync(0);
  FakeSocket.last.drop();
  await vi.advanceTimersByTimeAsync(300);
  FakeSocket.last.establish(true);
  const before = FakeSocket.sockets.length;
  FakeSocket.last.drop();
  await vi.advanceTimersByTimeAsync(0);
  expect(FakeSocket.sockets).toHaveLength(before + 1);
});

test("tries at once when the network is back", async () => {
  await connect();
  for (let lost = 0; lost < 5; lost++) {
    FakeSocket.last.drop();
    await vi.advanceTimersByTimeAsync(lost < 4 ? 10_000 : 0);
  }
  const before = FakeSocket.sockets.length;
  window.dispatchEvent(new Event("online"));
  await vi.advanceTimersByTimeAsync(0);
  expect(FakeSocket.sockets).toHaveLength(before + 1);
});

test("resumes after the last message it saw, and drops what it has seen", async () => {
  const { messages } = await connect();
  const note = (seq: number): ServerMessage => ({
    type: "lobby_destroyed",
    lobby: "demo",
    seq,
    data: {},
  });
  FakeSocket.last.receive(note(4));
  FakeSocket.last.receive(note(5));
  FakeSocket.last.drop();
  await vi.advanceTimersByTimeAsync(0);
  FakeSocket.last.establish(true);
  expect(FakeSocket.last.sent[0]).toMatchObject({ type: "resume", data: { last_seq: 5 } });
  FakeSocket.last.receive(note(5));
  FakeSocket.last.receive(note(6));
  expect(messages.filter(({ type }) => type === "lobby_destroyed").map(({ seq }) => seq)).toEqual([
    4, 5, 6,
  ]);
});

test("begins anew if the server has forgotten the session", async () => {
  const { messages } = await connect();
  FakeSocket.last.receive({ type: "lobby_destroyed", lobby: "demo", seq: 90, data: {} });
  FakeSocket.last.drop();
  await vi.advanceTimersByTimeAsync(0);
  FakeSocket.last.establish(false);
  expect(FakeSocket.last.of("resume")).toEqual([]);
  FakeSocket.last.receive({ type: "lobby_destroyed", lobby: "demo", seq: 1, data: {} });
  expect(messages.at(-1)?.seq).toBe(1);
});

test("keeps what is written while offline and sends it in order, after the resume", async () => {
  const { signaling } = await connect();
  FakeSocket.last.receive({ type: "lobby_destroyed", lobby: "demo", seq: 1, data: {} });
  FakeSocket.last.drop();
  signaling.send(chat("one"));
  signaling.send(chat("two"));
  await vi.advanceTimersByTimeAsync(0);
  FakeSocket.last.establish(true);
  expect(FakeSocket.last.sent.map(({ type }) => type)).toEqual([
    "resume",
    "chat_message",
    "chat_message",
  ]);
  expect(FakeSocket.last.of("chat_message").map(({ data }) => data.text)).toEqual(["one", "two"]);
});

test("sends again, under the same id, what may not have arrived", async () => {
  const { signaling } = await connect();
  signaling.send(chat("arrived"));
  await vi.advanceTimersByTimeAsync(10_000);
  FakeSocket.last.receive({ type: "pong", data: {} });
  const id = signaling.send(chat("perhaps lost"));
  FakeSocket.last.drop();
  await vi.advanceTimersByTimeAsync(0);
  FakeSocket.last.establish(true);
  expect(FakeSocket.last.of("chat_message")).toMatchObject([
    { id, data: { text: "perhaps lost" } },
  ]);
});

test("after a lost session, unconfirmed messages are not repeated, but new ones are sent", async () => {
  const { signaling, deliveries } = await connect();
  signaling.send({ type: "webrtc_offer", peer: "p", epoch: 1, data: { sdp: "v=0", tracks: {} } });
  const uncertain = signaling.send(chat("perhaps arrived"));
  FakeSocket.last.drop();
  signaling.send(chat("written while offline"));
  await vi.advanceTimersByTimeAsync(0);
  FakeSocket.last.establish(false);
  expect(FakeSocket.last.sent).toMatchObject([
    { type: "chat_message", data: { text: "written while offline" } },
  ]);
  expect(deliveries).toEqual([{ id: uncertain, arrived: false }]);
});

test("a ping confirms that earlier messages have arrived", async () => {
  const { signaling, deliveries } = await connect();
  const id = signaling.send(chat("hello"));
  await vi.advanceTimersByTimeAsync(10_000);
  signaling.send(chat("too late for that ping"));
  FakeSocket.last.receive({ type: "pong", data: {} });
  expect(deliveries).toEqual([{ id, arrived: true }]);
});

test("if the queue overflows, chat is dropped last, and the loss is reported", async () => {
  const { signaling, deliveries } = await connect();
  FakeSocket.last.drop();
  const first = signaling.send(chat("one"));
  const second = signaling.send({ type: "raise_hand", lobby: "demo", data: { raised: true } });
  for (let count = 0; count < 511; count++) signaling.send(chat("more"));
  expect(deliveries).toEqual([{ id: second, arrived: false }]);
  signaling.send(chat("too much"));
  expect(deliveries).toEqual([second, first].map((id) => ({ id, arrived: false })));
});

test("going offline starts a check, and nothing is sent until the server answers", async () => {
  const { signaling, silences, links } = await connect();
  window.dispatchEvent(new Event("offline"));
  expect(silences).toEqual([true]);
  expect(FakeSocket.last.of("ping")).toHaveLength(1);
  signaling.send(chat("one"));
  signaling.send(chat("two"));
  expect(FakeSocket.last.of("chat_message")).toEqual([]);
  FakeSocket.last.receive({ type: "pong", data: {} });
  expect(silences).toEqual([true, false]);
  expect(FakeSocket.last.of("chat_message").map(({ data }) => data.text)).toEqual(["one", "two"]);
  await vi.advanceTimersByTimeAsync(3_000);
  expect(links.at(-1)?.state).toBe("open");
});

test("messages held back while offline are sent once, on the next socket", async () => {
  const { signaling, silences, deliveries, links } = await connect();
  window.dispatchEvent(new Event("offline"));
  signaling.send(chat("one"));
  await vi.advanceTimersByTimeAsync(3_000);
  expect(links.at(-1)?.state).toBe("reconnecting");
  expect(silences).toEqual([true, false]);
  await vi.advanceTimersByTimeAsync(1);
  expect(FakeSocket.sockets).toHaveLength(2);
  FakeSocket.last.establish(false);
  expect(FakeSocket.last.of("chat_message")).toHaveLength(1);
  expect(FakeSocket.sockets[0]?.of("chat_message")).toEqual([]);
  expect(deliveries).toEqual([]);
});

test("a chat message without an answer shows that the socket is silent, long before it is given up", async () => {
  const { signaling, silences } = await connect();
  signaling.send(chat("hello?"));
  await vi.advanceTimersByTimeAsync(2_500);
  expect(silences).toEqual([]);
  await vi.advanceTimersByTimeAsync(2_500);
  expect(silences).toEqual([true]);
  expect(FakeSocket.sockets).toHaveLength(1);
  FakeSocket.last.receive({ type: "pong", data: {} });
  expect(silences).toEqual([true, false]);
});

test("pings every ten seconds and gives up a socket that is silent for 25", async () => {
  const { links } = await connect();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(FakeSocket.last.of("ping")).toHaveLength(1);
  FakeSocket.last.receive({ type: "pong", data: {} });
  await vi.advanceTimersByTimeAsync(10_000);
  expect(FakeSocket.last.of("ping")).toHaveLength(2);
  const dead = FakeSocket.last;
  await vi.advanceTimersByTimeAsync(22_500);
  expect(dead.closedWith).toBeUndefined();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(dead.closedWith).toBe(1000);
  expect(links.map(({ state }) => state)).toEqual(["connecting", "open", "reconnecting"]);
});

test("a socket that never sends its greeting is closed, too", async () => {
  const { signaling } = make();
  signaling.connect();
  await vi.advanceTimersByTimeAsync(30_000);
  expect(FakeSocket.sockets.length).toBeGreaterThan(1);
});

test.each([
  [4401, "expired"],
  [4409, "elsewhere"],
])("close code %i is final: %s", async (code, reason) => {
  const { signaling, links } = await connect();
  FakeSocket.last.drop(code);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(FakeSocket.sockets).toHaveLength(1);
  expect(signaling.state).toBe("closed");
  expect(links.at(-1)).toEqual({ state: "closed", reason });
});

test("stops when the server refuses this page, and reports why", async () => {
  const refusal = new Refusal("origin");
  const { signaling, links } = make({ prepare: () => Promise.reject(refusal) });
  signaling.connect();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(FakeSocket.sockets).toHaveLength(0);
  expect(links.at(-1)).toEqual({ state: "closed", reason: "refused", refusal });
});

test("stops when a handshake is refused for its origin", async () => {
  let refused = false;
  const prepare = () => (refused ? Promise.reject(new Refusal("origin")) : Promise.resolve());
  const { signaling, links } = make({ prepare });
  signaling.connect();
  await vi.advanceTimersByTimeAsync(0);
  refused = true;
  FakeSocket.last.drop(1006);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(FakeSocket.sockets).toHaveLength(1);
  expect(links.at(-1)).toMatchObject({ state: "closed", reason: "refused" });
});

test("keeps trying while the server cannot be reached", async () => {
  let reachable = false;
  const prepare = () => (reachable ? Promise.resolve() : Promise.reject(new TypeError("fetch")));
  const { signaling } = make({ prepare });
  signaling.connect();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(FakeSocket.sockets).toHaveLength(0);
  reachable = true;
  await vi.advanceTimersByTimeAsync(7_000);
  FakeSocket.last.establish();
  expect(signaling.state).toBe("open");
});

test("close code 4403 is final: the origin is refused", async () => {
  const { links } = await connect();
  FakeSocket.last.drop(4403);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(FakeSocket.sockets).toHaveLength(1);
  expect(links.at(-1)).toMatchObject({ reason: "refused", refusal: { code: "origin" } });
});

test("a late answer of an abandoned attempt is ignored", async () => {
  const { signaling, links } = await connect();
  const socket = FakeSocket.last;
  signaling.close();
  socket.establish();
  socket.drop();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(FakeSocket.sockets).toHaveLength(1);
  expect(links.at(-1)).toEqual({ state: "closed", reason: "asked" });
});

test("survives frames that are not JSON", async () => {
  const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
  const { signaling } = await connect();
  const event = new MessageEvent("message", { data: "{" });
  FakeSocket.last.onmessage?.call(FakeSocket.last as unknown as WebSocket, event);
  expect(warn).toHaveBeenCalledOnce();
  expect(signaling.state).toBe("open");
});

test.each(["online", "visibilitychange"])(
  "after %s a socket that gives no answer is given up soon",
  async (event) => {
    const { links } = await connect();
    FakeSocket.last.receive({ type: "lobby_destroyed", lobby: "demo", seq: 1, data: {} });
    const target = event === "online" ? window : document;
    target.dispatchEvent(new Event(event));
    expect(FakeSocket.last.of("ping")).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(2_999);
    expect(FakeSocket.sockets).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(links.at(-1)?.state).toBe("reconnecting");
    await vi.advanceTimersByTimeAsync(1);
    expect(FakeSocket.sockets).toHaveLength(2);
    FakeSocket.last.establish(true);
    expect(FakeSocket.last.of("resume")).toHaveLength(1);
    expect(links.map(({ state }) => state)).toEqual(["connecting", "open", "reconnecting", "open"]);
  },
);

test("after sleep, a socket that answers is kept", async () => {
  await connect();
  window.dispatchEvent(new Event("online"));
  await vi.advanceTimersByTimeAsync(2_000);
  FakeSocket.last.receive({ type: "pong", data: {} });
  await vi.advanceTimersByTimeAsync(9_000);
  expect(FakeSocket.sockets).toHaveLength(1);
});

test("a computer that slept while the page was visible checks the connection on waking", async () => {
  await connect();
  await vi.advanceTimersByTimeAsync(10_000);
  const { length } = FakeSocket.last.of("ping");
  FakeSocket.last.receive({ type: "pong", data: {} });
  vi.setSystemTime(Date.now() + 20_000);
  await vi.advanceTimersByTimeAsync(2_500);
  expect(FakeSocket.last.of("ping")).toHaveLength(length + 1);
  await vi.advanceTimersByTimeAsync(3_001);
  expect(FakeSocket.sockets).toHaveLength(2);
});

test("if the server restarts its numbering, the client continues from its lobby_state", async () => {
  const { messages } = await connect();
  const state = (seq: number, version: number): ServerMessage => ({
    type: "lobby_state",
    lobby: "demo",
    seq,
    data: { lobby: { id: "demo", name: "Demo" }, participants: [], version },
  });
  const gone: ServerMessage = { type: "lobby_destroyed", lobby: "demo", seq: 4, data: {} };
  FakeSocket.last.receive(state(90, 12));
  FakeSocket.last.drop();
  await vi.advanceTimersByTimeAsync(0);
  FakeSocket.last.establish(true);
  FakeSocket.last.receive(state(3, 1));
  FakeSocket.last.receive(state(3, 1));
  FakeSocket.last.receive(gone);
  const numbered = messages.filter(({ seq }) => seq != null);
  expect(numbered.map(({ seq }) => seq)).toEqual([90, 3, 4]);
  expect(FakeSocket.last.of("resume")).toMatchObject([{ data: { last_seq: 90 } }]);
});
