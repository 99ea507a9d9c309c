import { expect, test } from "vitest";
import type { ParticipantInfo, ServerMessage } from "../../protocol/messages";
import { texts } from "../../texts";
import { overview } from "../media/overview";
import { initialState, type SessionState } from "../state";
import { reduce, withPeer } from "./reduce";
import { clockTime, TIMELINE_LIMIT } from "./timeline";

const ada: ParticipantInfo = { id: "a-1", name: "Ada", kind: "agent", state: "listening" };
const grace: ParticipantInfo = { id: "p-1", name: "Grace", kind: "human" };
const linus: ParticipantInfo = { id: "p-2", name: "Linus", kind: "human" };

const lobbyState = (participants: ParticipantInfo[], version = 1): ServerMessage => ({
  type: "lobby_state",
  lobby: "demo",
  data: { lobby: { id: "demo", name: "Demo" }, participants, version },
});

const caption = (id: string, text: string, final: boolean, more: object = {}): ServerMessage => ({
  type: "transcript",
  lobby: "demo",
  data: { utterance_id: id, participant_id: "p-1", name: "Grace", text, final, t: 3, ...more },
});

function after(messages: ServerMessage[], state: SessionState = joined()): SessionState {
  return messages.reduce(reduce, state);
}

function joined(): SessionState {
  return after(
    [
      { type: "lobby_joined", lobby: "demo", data: { participant_id: "p-1", ice_servers: [] } },
      lobbyState([ada, grace]),
    ],
    { ...initialState("demo", "Grace"), phase: "joining" },
  );
}

test("joining shows the lobby with everyone in it", () => {
  const state = joined();
  expect(state).toMatchObject({ phase: "lobby", self: "p-1", order: ["a-1", "p-1"] });
  expect(state.lobby?.name).toBe("Demo");
});

test("an older lobby_state is stale", () => {
  const state = after([lobbyState([ada, grace, linus], 7), lobbyState([grace], 6)]);
  expect(state.order).toEqual(["a-1", "p-1", "p-2"]);
});

test("news of another lobby is ignored", () => {
  const foreign = { ...lobbyState([linus], 9), lobby: "other" } as ServerMessage;
  expect(after([foreign])).toEqual(joined());
});

test("people who join and leave are noted in the conversation", () => {
  const state = after([
    { type: "user_joined", lobby: "demo", data: { participant: linus } },
    { type: "user_left", lobby: "demo", data: { participant_id: "p-2", reason: "lost" } },
  ]);
  expect(state.order).toEqual(["a-1", "p-1"]);
  expect(state.timeline).toMatchObject([
    { what: "joined", name: "Linus" },
    { what: "lost", name: "Linus" },
  ]);
});

test("an agent announced twice joined once", () => {
  const created: ServerMessage = {
    type: "agent_created",
    lobby: "demo",
    data: { participant: { ...ada, id: "a-2", name: "Bob" } },
  };
  const adding = { messageId: "m7", description: "a cook" };
  const state = after([created, { ...created, id: "m7" }], { ...joined(), adding });
  expect(state.timeline).toHaveLength(1);
  expect(state.adding).toBeNull();
});

test("an agent that a restart of the server brings back has not joined again", () => {
  const created: ServerMessage = {
    type: "agent_created",
    lobby: "demo",
    data: { participant: { ...ada, id: "a-2", name: "Bob" } },
  };
  const left: ServerMessage = {
    type: "agent_removed",
    lobby: "demo",
    data: { participant_id: "a-2", reason: "left" },
  };
  const restarted = after([created, lobbyState([ada], 9), created]);
  expect(restarted.participants["a-2"]).toBeTruthy();
  expect(restarted.timeline).toMatchObject([{ what: "joined", name: "Bob" }]);
  expect(after([left, created], restarted).timeline).toMatchObject([
    { what: "joined", name: "Bob" },
    { what: "left", name: "Bob" },
    { what: "joined", name: "Bob" },
  ]);
});

test("an agent that somebody else added does not end our own waiting", () => {
  const adding = { messageId: "m7", description: "a cook" };
  const created: ServerMessage = {
    type: "agent_created",
    lobby: "demo",
    id: "m3",
    data: { participant: { ...ada, id: "a-2" } },
  };
  expect(after([created], { ...joined(), adding }).adding).toEqual(adding);
});

test("the reason why an agent could not be created is shown in the dialog, not as a toast", () => {
  const data = { code: "model_load", message: "No voice.", hint: "Install one." };
  const state = after([{ type: "error", id: "m7", data }], {
    ...joined(),
    adding: { messageId: "m7", description: "a cook" },
    addingShown: true,
  });
  expect(state).toMatchObject({ adding: null, addingError: data, toasts: [] });
});

test("if the dialog was closed meanwhile, the reason is shown as a toast", () => {
  const data = { code: "model_load", message: "No voice.", hint: "Install one." };
  const state = after([{ type: "error", id: "m7", data }], {
    ...joined(),
    adding: { messageId: "m7", description: "a cook" },
  });
  expect(state).toMatchObject({ adding: null, addingError: null, toasts: [data] });
});

test("an agent's state changes", () => {
  const state = after([
    { type: "agent_state", lobby: "demo", data: { participant_id: "a-1", state: "thinking" } },
    { type: "agent_state", lobby: "demo", data: { participant_id: "gone", state: "speaking" } },
  ]);
  expect(state.participants["a-1"]?.state).toBe("thinking");
  expect(state.participants.gone).toBeUndefined();
});

test("a caption grows in place and stays once it is final", () => {
  const state = after([
    caption("u1", "hel", false),
    caption("u2", "other", false),
    caption("u1", "hello", true),
    caption("u1", "hell", false),
  ]);
  expect(state.timeline).toMatchObject([
    { text: "hello", final: true, interrupted: false },
    { text: "other", final: false },
  ]);
});

test("captions that are repeated after a reconnect add no lines", () => {
  const said = [caption("u1", "one", true), caption("u2", "two", true)];
  const state = after([
    ...said,
    caption("u3", "three", false),
    ...said,
    caption("u3", "three", true),
  ]);
  expect(state.timeline).toMatchObject([{ text: "one" }, { text: "two" }, { text: "three" }]);
  expect(state.timeline).toHaveLength(3);
});

test("a restarted server's first caption does not overwrite the old one's", () => {
  const restarted = { participant_id: "a-2" };
  const state = after([caption("u1", "before", true), caption("u1", "after", true, restarted)]);
  expect(state.timeline).toMatchObject([{ text: "before" }, { text: "after" }]);
});

test("a caption that turns out to be empty disappears", () => {
  const state = after([
    caption("u1", "uh", false),
    caption("u1", "", true),
    caption("u3", " ", true),
  ]);
  expect(state.timeline).toEqual([]);
});

test("an interruption is kept with what was heard", () => {
  const state = after([caption("u1", "It is", true, { interrupted: true })]);
  expect(state.timeline).toMatchObject([{ text: "It is", interrupted: true }]);
});

test("the page keeps only the newest entries", () => {
  const many = Array.from({ length: TIMELINE_LIMIT + 20 }, (_, n) =>
    caption(`u${n}`, `${n}`, true),
  );
  const { timeline } = after(many);
  expect(timeline).toHaveLength(TIMELINE_LIMIT);
  expect(timeline.at(-1)).toMatchObject({ text: `${TIMELINE_LIMIT + 19}` });
});

test("chat carries the writer's name", () => {
  const state = after([
    { type: "chat_message", lobby: "demo", data: { text: "hi", participant_id: "a-1" } },
  ]);
  expect(state.timeline).toMatchObject([{ kind: "chat", name: "Ada", text: "hi" }]);
});

test.each<[ServerMessage, string]>([
  [{ type: "lobby_destroyed", lobby: "demo", data: { reason: "over" } }, "gone"],
  [{ type: "lobby_full", lobby: "demo", data: { limit: 10 } }, "full"],
  [{ type: "user_left", lobby: "demo", data: { participant_id: "p-1", reason: "kicked" } }, "gone"],
  [{ type: "user_left", lobby: "demo", data: { participant_id: "p-1", reason: "left" } }, "left"],
])("%o ends the stay: %s", (message, phase) => {
  expect(after([message])).toMatchObject({ phase, self: null, order: [], peers: {} });
});

test("a refused join leads back to the join page, with the reason", () => {
  const state = after(
    [
      {
        type: "error",
        id: "m1",
        data: { code: "bad_name", message: "Too long.", hint: "Shorten." },
      },
    ],
    { ...initialState("demo", "Grace"), phase: "joining" },
  );
  expect(state).toMatchObject({ phase: "prejoin", toasts: [{ message: "Too long." }] });
});

test("errors about messages that were overtaken by newer ones are not shown", () => {
  const state = after([{ type: "error", data: { code: "stale_epoch", message: "Epoch 1." } }]);
  expect(state.toasts).toEqual([]);
});

test("too_many is ignored for a candidate, but shown to a person who creates a lobby", () => {
  const error = (id: string): ServerMessage => ({
    type: "error",
    id,
    data: { code: "too_many", message: "There are too many lobbies.", hint: "Try again later." },
  });
  const asking = { ...initialState(null, "Grace"), creating: "m1" };
  expect(after([error("m0")], asking)).toEqual(asking);
  expect(after([error("m1")], asking)).toMatchObject({
    creating: null,
    toasts: [{ message: "There are too many lobbies." }],
  });
});

test("errors about the conversation, sent to everyone, do not lead back to the join page", () => {
  const told = (code: string): ServerMessage => ({
    type: "error",
    lobby: "demo",
    data: { code, message: "Recording has stopped.", hint: "Go on talking." },
  });
  for (const code of ["conversation_full", "recording_stopped", "recording_resumed"]) {
    const entering = { ...initialState("demo", "Grace"), phase: "joining" as const };
    expect(after([told(code)], entering)).toMatchObject({
      phase: "joining",
      toasts: [{ message: "Recording has stopped.", hint: "Go on talking." }],
    });
  }
});

test("creating a lobby does not leave the current one", () => {
  const created: ServerMessage = { type: "lobby_created", data: { id: "tea", name: "Tea" } };
  expect(after([created], initialState(null, ""))).toMatchObject({
    phase: "prejoin",
    lobbyId: "tea",
  });
  for (const phase of ["prejoin", "joining", "lobby"] as const) {
    const state = { ...initialState("demo", ""), phase };
    expect(after([created], state)).toEqual(state);
  }
});

test.each(["joining", "lobby"] as const)("an unknown lobby ends the visit: %s", (phase) => {
  const data = { code: "unknown_lobby", message: "There is no such lobby." };
  const state = after([{ type: "error", id: "m1", data }], { ...joined(), phase });
  expect(state).toMatchObject({ phase: "gone", reason: "missing", order: [], toasts: [] });
});

test("without a free camera slot, a person still joins", () => {
  const data = { code: "camera_limit", message: "6 cameras are on.", hint: "Wait." };
  const state = after([{ type: "error", data }], { ...joined(), phase: "joining" });
  expect(state.phase).toBe("joining");
  expect(state.toasts).toMatchObject([data]);
});

test("errors meant for programs are reworded for people", () => {
  const data = {
    code: "not_joined",
    message: "You are in no lobby.",
    hint: "Join one with join_lobby first.",
  };
  const state = after([{ type: "error", data }]);
  expect(state.toasts).toMatchObject([{ code: "not_joined", ...texts.errors.said.not_joined }]);
});

test("a repeated error is shown once, and at most four errors are shown", () => {
  const error = (message: string): ServerMessage => ({
    type: "error",
    data: { code: "x", message },
  });
  const state = after(["1", "2", "2", "3", "4", "5"].map(error));
  expect(state.toasts.map(({ message }) => message)).toEqual(["2", "3", "4", "5"]);
});

test("failure and success of a connection, by epoch", () => {
  const failed = after([
    {
      type: "webrtc_failed",
      lobby: "demo",
      peer: "host",
      epoch: 2,
      data: { code: "ice_failed", message: "No path.", retryable: true },
    },
  ]);
  expect(failed.peers.host).toMatchObject({ state: "failed", failure: { code: "ice_failed" } });
  const stale = reduce(failed, { type: "connection_ready", lobby: "demo", peer: "host", epoch: 1 });
  expect(stale.peers.host?.failure).not.toBeNull();
  const ready = reduce(failed, { type: "connection_ready", lobby: "demo", peer: "host", epoch: 3 });
  expect(ready.peers.host).toMatchObject({ epoch: 3, failure: null });
});

test("the badge shows the worst of all connections", () => {
  let state = joined();
  expect(overview(state).state).toBe("none");
  const route = { local: "host", remote: "host", relay: false };
  state = withPeer({ ...state, socket: "open" }, "host", 1, { state: "connected", route });
  state = withPeer(state, "p-2", 1, { state: "connecting" });
  expect(overview(state)).toMatchObject({ state: "connecting", relay: false });
  state = withPeer(state, "p-2", 1, {
    state: "connected",
    route: { ...route, local: "relay", relay: true },
    quality: { level: "fair", roundTrip: 0.4, loss: 0 },
  });
  expect(overview(state)).toMatchObject({ state: "connected", relay: true, quality: "fair" });
  expect(overview({ ...state, socket: "reconnecting" }).state).toBe("reconnecting");
});

test.each([
  [0, "00:00"],
  [-1, "00:00"],
  [61.9, "01:01"],
  [3599, "59:59"],
  [3661, "1:01:01"],
])("%f seconds are written %s", (seconds, text) => {
  expect(clockTime(seconds)).toBe(text);
});
