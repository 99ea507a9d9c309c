import { expect, test } from "vitest";
import type { ModerationData, ParticipantInfo, ServerMessage } from "../../protocol/messages";
import { texts } from "../../texts";
import { type Asked, initialState, isHost, mayChangeAgents, type SessionState } from "../state";
import { reduce } from "./reduce";
import { asking } from "./reduceModeration";

const ada: ParticipantInfo = { id: "a-1", name: "Ada", kind: "agent", state: "idle" };
const grace: ParticipantInfo = { id: "p-1", name: "Grace", kind: "human", role: "guest" };
const linus: ParticipantInfo = { id: "p-2", name: "Linus", kind: "human", role: "host" };

const lobbyState = (participants: ParticipantInfo[], version = 1): ServerMessage => ({
  type: "lobby_state",
  lobby: "demo",
  data: { lobby: { id: "demo", name: "Demo" }, participants, version },
});

const error = (id: string | null, code: string): ServerMessage => ({
  type: "error",
  id,
  data: { code, message: `The server says ${code}.`, hint: "" },
});

const moderation = (data: ModerationData, id: string | null = null): ServerMessage => ({
  type: "moderation",
  id,
  lobby: "demo",
  data,
});

function after(messages: ServerMessage[], state: SessionState): SessionState {
  return messages.reduce(reduce, state);
}

function joined(self: ParticipantInfo = grace): SessionState {
  return after(
    [
      { type: "lobby_joined", lobby: "demo", data: { participant_id: "p-1", ice_servers: [] } },
      lobbyState([ada, self, linus]),
    ],
    { ...initialState("demo", "Grace"), phase: "joining" },
  );
}

const said = (state: SessionState) => state.toasts.map(({ message }) => message);

test.each(["joining", "waiting", "returning"] as const)("a visitor has to wait: %s", (phase) => {
  const waiting: ServerMessage = { type: "lobby_waiting", lobby: "demo", data: { name: "Demo" } };
  const state = after([waiting], { ...initialState("demo", "Grace"), phase });
  expect(state).toMatchObject({ phase: "waiting", lobby: { id: "demo", name: "Demo" } });
  const admitted = after(
    [{ type: "lobby_joined", lobby: "demo", data: { participant_id: "p-1", ice_servers: [] } }],
    state,
  );
  expect(admitted.phase).toBe("lobby");
});

test("a late answer does not make a visitor who has left wait", () => {
  const state = initialState("demo", "Grace");
  const waiting: ServerMessage = { type: "lobby_waiting", lobby: "demo", data: { name: "Demo" } };
  expect(after([waiting], state)).toEqual(state);
});

test.each(["waiting", "returning"] as const)("denied, or closed meanwhile: %s", (phase) => {
  const state = after([error("m1", "unknown_lobby")], {
    ...initialState("demo", "Grace"),
    phase,
  });
  expect(state).toMatchObject({ phase: "gone", reason: "missing" });
});

test("hosts see who waits, until they leave", () => {
  const waiting = [{ id: "s-1", name: "Tim" }];
  const knocking: ServerMessage = { type: "knocking", lobby: "demo", data: { waiting } };
  const state = after([knocking], joined());
  expect(state.visitors).toEqual(waiting);
  expect(after([{ type: "lobby_destroyed", lobby: "demo", data: {} }], state).visitors).toEqual([]);
});

test("a host's request to mute is shown, unless we are muted already", () => {
  const request = moderation({ action: "mute_request", participant_id: "p-1", by: "p-2" });
  expect(after([request], joined()).muteAsked).toBe("Linus");
  expect(after([request], { ...joined(), muted: true }).muteAsked).toBeNull();
  expect(after([request], joined({ ...grace, muted: true })).muteAsked).toBeNull();
  const unknown = moderation({ action: "mute_request", participant_id: "p-1", by: "x" });
  expect(after([unknown], joined()).muteAsked).toBe(texts.moderation.someHost);
});

test.each<[Asked & ModerationData["action"], string]>([
  ["mute_request", texts.moderation.muteAsked("Linus")],
  ["make_host", texts.moderation.madeHost("Linus")],
  ["report", texts.moderation.reported],
])("the success of a request is reported: %s", (action, message) => {
  const state = asking(joined(), "m7", action);
  const done = after([moderation({ action, participant_id: "p-2" }, "m7")], state);
  expect(done).toMatchObject({ asked: {}, muteAsked: null, toasts: [{ level: "info", message }] });
});

test("refused actions are explained in plain words", () => {
  const state = asking(joined(), "m7", "kick");
  expect(said(after([error("m7", "unknown_participant")], state))).toEqual([
    texts.errors.said.unknown_participant.message,
  ]);
  // Who may do what, the server says in words for people.
  expect(said(after([error("m7", "forbidden")], state))).toEqual(["The server says forbidden."]);
});

test("too_many is shown for reports, but not for candidates", () => {
  const state = asking(joined(), "m7", "report");
  expect(said(after([error("m7", "too_many")], state))).toEqual(["The server says too_many."]);
  expect(said(after([error("m9", "too_many")], state))).toEqual([]);
});

test("the number of remembered requests is limited", () => {
  let state = joined();
  for (let n = 0; n < 30; n++) state = asking(state, `m${n}`, "lock");
  expect(Object.keys(state.asked)).toHaveLength(20);
  expect(state.asked.m29).toBe("lock");
  expect(state.asked.m9).toBeUndefined();
});

test("a new host is told, whichever message says so", () => {
  const host = { ...grace, role: "host" as const };
  const updated: ServerMessage = {
    type: "participant_updated",
    lobby: "demo",
    data: { participant: host },
  };
  for (const message of [updated, lobbyState([ada, host], 2)]) {
    const state = after([message, message], joined());
    expect(said(state)).toEqual([texts.moderation.youAreHost.message]);
    expect(isHost(state)).toBe(true);
  }
  expect(said(joined(host))).toEqual([]);
});

test("the settings decide whether everyone or only hosts may change agents", () => {
  const state = joined();
  const only = { ...state, lobby: { id: "demo", name: "Demo", settings: { agents_by: "host" } } };
  expect(mayChangeAgents(state)).toBe(true);
  expect(mayChangeAgents(only as SessionState)).toBe(false);
  const host = { ...only, participants: { "p-1": { ...grace, role: "host" } } };
  expect(mayChangeAgents(host as unknown as SessionState)).toBe(true);
});

test.each(["kicked", "banned"] as const)("a person who was removed: %s", (reason) => {
  const left: ServerMessage = {
    type: "user_left",
    lobby: "demo",
    data: { participant_id: "p-2", reason },
  };
  expect(after([left], joined()).timeline).toMatchObject([{ what: "removed", name: "Linus" }]);
  const own = { ...left, data: { participant_id: "p-1", reason } } as ServerMessage;
  expect(after([own], joined())).toMatchObject({ phase: "gone", reason, self: null });
});

test("an address that is taken is reported in the form", () => {
  const state = { ...initialState(null, ""), creating: "m1" };
  expect(after([error("m1", "id_taken")], state)).toMatchObject({
    creating: null,
    creatingError: { code: "id_taken", ...texts.errors.said.id_taken },
    toasts: [],
  });
});

test("the notice of a stopping server stays until it is back", () => {
  const going: ServerMessage = { type: "going_away", data: { seconds: 30, returning: true } };
  const state = after([going], joined());
  expect(state.goingAway).toEqual({ seconds: 30, returning: true });
  const back: ServerMessage = {
    type: "session_established",
    data: { session: "s-1", version: "0", resumed: true },
  };
  expect(after([back], state).goingAway).toBeNull();
});

test("after a restart a state with a smaller version is the newest one", () => {
  const state = after([lobbyState([ada, grace, linus], 70)], joined());
  const back: ServerMessage = {
    type: "session_established",
    data: { session: "s-1", version: "0", resumed: true },
  };
  expect(after([back, lobbyState([grace], 2)], state).order).toEqual(["p-1"]);
});
