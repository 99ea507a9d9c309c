import { act, cleanup, render, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ClientContext } from "../hooks/ClientContext";
import { readOptions } from "../options";
import type { LobbySettings, ParticipantInfo, ServerMessage } from "../protocol/messages";
import { Client, type ClientParts } from "../session/client";
import { FakePeerConnection, FakeTrack } from "../testing/FakePeerConnection";
import { FakeSocket } from "../testing/FakeSocket";
import { texts } from "../texts";
import { App } from "./App";

let client: Client;
const user = userEvent.setup({ delay: null });
const receive = (message: ServerMessage) => act(async () => FakeSocket.last.receive(message));
const press = (testId: string) => user.click(screen.getByTestId(testId));
const moderated = () => FakeSocket.last.of("moderation").map(({ data }) => data);

function show(search: string, parts: Partial<ClientParts> = {}): void {
  client = new Client(readOptions(search), {
    signaling: { openSocket: FakeSocket.open, prepare: async () => {} },
    createConnection: FakePeerConnection.create,
    lookUp: async (id) => ({ id, name: "Demo", knock: false }),
    open: async (kind) => new FakeTrack(kind) as unknown as MediaStreamTrack,
    ...parts,
  });
  render(
    <ClientContext value={client}>
      <App />
    </ClientContext>,
  );
}

async function knock(): Promise<void> {
  await user.type(screen.getByTestId("name-input"), "Grace");
  await press("join-button");
  await act(async () => FakeSocket.last.establish());
}

async function join(
  role: "owner" | "host" | "guest",
  settings: LobbySettings = {},
  others: ParticipantInfo[] = [{ id: "p-2", name: "Linus", kind: "human", role: "guest" }],
): Promise<void> {
  await knock();
  const lobby = "demo";
  const id = FakeSocket.last.of("join_lobby")[0]?.id ?? null;
  const data = { participant_id: "p-1", ice_servers: [] };
  await receive({ type: "lobby_joined", lobby, id, data });
  await receive({
    type: "lobby_state",
    lobby,
    data: {
      lobby: { id: lobby, name: "Demo", settings },
      version: 1,
      participants: [
        {
          id: "p-1",
          name: "Grace",
          kind: "human",
          role: role === "guest" ? "guest" : "host",
          owner: role === "owner",
        },
        { id: "a-1", name: "Ada", kind: "agent", state: "idle" },
        ...others,
      ],
    },
  });
}

beforeEach(() => {
  HTMLMediaElement.prototype.play = async () => {};
});

afterEach(() => {
  cleanup();
  client.unload();
});

test("a new lobby has a door and, optionally, a custom address", async () => {
  show("");
  expect(screen.getByTestId("door-choice").dataset.value).toBe("private");
  await user.type(screen.getByTestId("lobby-name-input"), "Tea room");
  await press("door-choice-open");
  await press("more-button");
  await user.type(screen.getByTestId("slug-input"), "Tea Room");
  await press("create-lobby-button");
  await act(async () => FakeSocket.last.establish());
  const wish = FakeSocket.last.of("create_lobby")[0];
  expect(wish?.data).toEqual({ name: "Tea room", slug: "tea-room", settings: { private: false } });
  const data = { code: "id_taken", message: "There is a lobby of that slug." };
  await receive({ type: "error", id: wish?.id ?? null, data });
  expect(screen.getByText(new RegExp(texts.errors.said.id_taken.message))).toBeTruthy();
  await user.type(screen.getByTestId("slug-input"), "2");
  expect(screen.queryByText(new RegExp(texts.errors.said.id_taken.message))).toBeNull();
  await press("create-lobby-button");
  expect(FakeSocket.last.of("create_lobby")[1]?.data).toMatchObject({ slug: "tea-room2" });
});

test("an invalid address is reported before anything is sent", async () => {
  show("");
  await press("more-button");
  await user.type(screen.getByTestId("slug-input"), "é!");
  await press("create-lobby-button");
  expect(screen.getByText(texts.start.badSlug)).toBeTruthy();
  expect(FakeSocket.sockets).toHaveLength(0);
});

test("the join page says when a host has to let people in", async () => {
  show("?lobby=demo", { lookUp: async (id) => ({ id, name: "Demo", knock: true }) });
  await act(async () => client.start());
  await waitFor(() => expect(client.state.microphone.status).toBe("on"));
  expect(screen.getByTestId("join-button").textContent).toBe(texts.prejoin.knock);
  expect(screen.getByText(texts.prejoin.knockHint)).toBeTruthy();
});

test("a visitor who knocks waits, can withdraw, and gets an answer", async () => {
  show("?lobby=demo");
  await knock();
  const waiting: ServerMessage = { type: "lobby_waiting", lobby: "demo", data: { name: "Demo" } };
  await receive(waiting);
  expect(screen.getByTestId("waiting-screen").textContent).toContain(texts.waiting.title);
  const socket = FakeSocket.last;
  await press("turn-around-button");
  expect(socket.of("leave_lobby")).toHaveLength(1);
  expect(screen.getByTestId("join-button")).toBeTruthy();

  await press("join-button");
  await act(async () => FakeSocket.last.establish());
  await receive(waiting);
  const id = FakeSocket.last.of("join_lobby")[0]?.id ?? null;
  const data = { code: "unknown_lobby", message: "No such lobby." };
  await receive({ type: "error", id, data });
  expect(screen.getByTestId("end-gone").textContent).toContain(texts.end.missing);
});

test("a knock is repeated after a lost connection", async () => {
  show("?lobby=demo");
  await knock();
  await receive({ type: "lobby_waiting", lobby: "demo", data: { name: "Demo" } });
  const first = FakeSocket.last;
  await act(async () => first.drop());
  await waitFor(() => expect(FakeSocket.last).not.toBe(first));
  await act(async () => FakeSocket.last.establish());
  expect(FakeSocket.last.of("join_lobby")).toHaveLength(1);
});

test("a host is told who knocks, and can answer one after the other by keyboard", async () => {
  show("?lobby=demo");
  await join("host");
  const waiting = [
    { id: "v-1", name: "Tim" },
    { id: "v-2", name: "Ann" },
  ];
  const knocking = (list: typeof waiting): ServerMessage => ({
    type: "knocking",
    lobby: "demo",
    data: { waiting: list },
  });
  await receive(knocking(waiting.slice(0, 1)));
  const news = screen.getByTestId("knock-news");
  expect(news.getAttribute("role")).toBe("status");
  expect(news.textContent).toBe(texts.door.knocks("Tim"));
  await receive(knocking(waiting));
  expect(news.textContent).toBe(texts.door.knocks("Ann"));
  act(() => screen.getByTestId("admit-v-1").focus());
  await user.keyboard("{Enter}");
  expect(moderated()).toEqual([{ action: "admit", participant_id: "v-1" }]);
  await receive(knocking(waiting.slice(1)));
  expect(document.activeElement).toBe(screen.getByTestId("admit-v-2"));
  await press("deny-v-2");
  expect(moderated().at(-1)).toEqual({ action: "deny", participant_id: "v-2" });
  await receive(knocking([]));
  expect(screen.queryByTestId("knock-list")).toBeNull();
  expect(document.activeElement).toBe(screen.getByRole("main"));
});

test("a host bans and reports visitors at the door, and the next one has the focus", async () => {
  show("?lobby=demo");
  await join("host");
  const waiting = [
    { id: "v-1", name: "Tim" },
    { id: "v-2", name: "Ann" },
  ];
  await receive({ type: "knocking", lobby: "demo", data: { waiting } });
  await press("menu-v-1");
  expect(screen.queryByTestId("kick-v-1")).toBeNull();
  expect(screen.queryByTestId("ask-mute-v-1")).toBeNull();
  await press("report-v-1");
  await user.type(screen.getByTestId("report-reason"), "Shouts");
  await press("report-send-button");
  expect(moderated()).toEqual([{ action: "report", participant_id: "v-1", reason: "Shouts" }]);
  await press("menu-v-1");
  await press("ban-v-1");
  expect(screen.getByText(texts.moderation.banVisitorHint, { exact: false })).toBeTruthy();
  await press("confirm-button");
  expect(moderated().at(-1)).toEqual({ action: "ban", participant_id: "v-1" });
  await waitFor(() => expect(document.activeElement).toBe(screen.getByTestId("menu-v-1")));
  await receive({ type: "knocking", lobby: "demo", data: { waiting: waiting.slice(1) } });
  expect(document.activeElement).toBe(screen.getByTestId("admit-v-2"));
});

test("a visitor's name stays text, with a direction of its own", async () => {
  show("?lobby=demo");
  await join("host");
  const name = "<img src=x onerror=alert(1)>";
  await receive({ type: "knocking", lobby: "demo", data: { waiting: [{ id: "v-1", name }] } });
  const row = screen.getByTestId("knock-v-1");
  expect(row.querySelector("bdi")?.textContent).toBe(name);
  expect(document.querySelector("img")).toBeNull();
});

test.each<["mute_request" | "make_host", string]>([
  ["mute_request", "ask-mute-p-2"],
  ["make_host", "make-host-p-2"],
])("a host acts on a person: %s", async (action, button) => {
  show("?lobby=demo");
  await join("owner");
  await press("menu-p-2");
  await press(button);
  expect(moderated()).toEqual([{ action, participant_id: "p-2" }]);
  expect(screen.queryByTestId(button)).toBeNull();
});

test.each(["kick", "ban"] as const)("%s asks for confirmation", async (action) => {
  show("?lobby=demo");
  await join("host");
  await press("menu-p-2");
  await press(`${action}-p-2`);
  expect(moderated()).toEqual([]);
  await user.click(screen.getByRole("button", { name: texts.moderation.back }));
  await press(`${action}-p-2`);
  await press("confirm-button");
  expect(moderated()).toEqual([{ action, participant_id: "p-2" }]);
});

test("a guest can report, and nothing more", async () => {
  show("?lobby=demo");
  await join("guest", { agents_by: "host" });
  expect(screen.queryByTestId("settings-button")).toBeNull();
  expect(screen.queryByTestId("add-agent-button")).toBeNull();
  expect(screen.queryByTestId("menu-p-1")).toBeNull();
  for (const id of ["a-1", "p-2"]) {
    await press(`menu-${id}`);
    const dialog = screen.getByRole("dialog");
    const buttons = within(within(dialog).getByRole("list")).getAllByRole("button");
    expect(buttons.map(({ dataset }) => dataset.testid)).toEqual([`report-${id}`]);
    await user.keyboard("{Escape}");
  }
  await press("menu-p-2");
  await press("report-p-2");
  await user.type(screen.getByTestId("report-reason"), "shouts");
  await press("report-send-button");
  expect(moderated()).toEqual([{ action: "report", participant_id: "p-2", reason: "shouts" }]);
});

test("a muted agent is muted for everyone, and marked", async () => {
  show("?lobby=demo");
  await join("guest");
  await press("menu-a-1");
  await press("mute-agent-a-1");
  expect(FakeSocket.last.of("agent_update")).toMatchObject([
    { data: { participant_id: "a-1", muted: true } },
  ]);
  const participant: ParticipantInfo = { id: "a-1", name: "Ada", kind: "agent", muted: true };
  await receive({ type: "participant_updated", lobby: "demo", data: { participant } });
  const tile = screen.getByTestId("tile-a-1");
  expect(tile.dataset.muted).toBe("true");
  expect(within(tile).getByRole("img", { name: texts.lobby.agentMuted })).toBeTruthy();
  await press("menu-a-1");
  await press("mute-agent-a-1");
  expect(FakeSocket.last.of("agent_update").at(-1)?.data.muted).toBe(false);
});

test("only changed settings are sent", async () => {
  show("?lobby=demo");
  await join("host", { private: true, locked: false, agents_by: "everyone", people: 10 });
  await press("settings-button");
  await press("settings-save-button");
  expect(FakeSocket.last.of("lobby_update")).toEqual([]);
  await press("settings-button");
  await user.clear(screen.getByTestId("settings-name"));
  await press("settings-save-button");
  expect(screen.getByText(texts.settings.nameNeeded)).toBeTruthy();
  await user.type(screen.getByTestId("settings-name"), "Salon");
  await press("settings-door-open");
  await press("settings-agents-host");
  await user.selectOptions(screen.getByTestId("settings-people"), "4");
  await press("settings-locked");
  await press("settings-save-button");
  expect(FakeSocket.last.of("lobby_update")).toMatchObject([
    { data: { name: "Salon", private: false, agents_by: "host", people: 4 } },
  ]);
  expect(moderated()).toEqual([{ action: "lock", participant_id: null }]);
});

test("an acting host is offered only what lasts as long as they are here", async () => {
  show("?lobby=demo");
  const owner = { id: "p-3", name: "Mia", kind: "human", role: "host", owner: true } as const;
  await join("host", {}, [{ id: "p-2", name: "Linus", kind: "human" }, owner]);
  await press("settings-button");
  expect(screen.getByText(texts.settings.forNow)).toBeTruthy();
  expect(screen.queryByTestId("end-lobby-button")).toBeNull();
  await user.keyboard("{Escape}");
  await press("menu-p-2");
  expect(screen.queryByTestId("make-host-p-2")).toBeNull();
  await press("ban-p-2");
  expect(screen.getByText(texts.moderation.forNow, { exact: false })).toBeTruthy();
  await user.keyboard("{Escape}");
  await press("menu-p-3");
  expect(screen.getByTestId("ask-mute-p-3")).toBeTruthy();
  for (const action of ["kick", "ban", "make-host"]) {
    expect(screen.queryByTestId(`${action}-p-3`)).toBeNull();
  }
});

test("ending the lobby is confirmed first, and a failure is explained", async () => {
  const destroy = vi
    .fn<NonNullable<ClientParts["destroy"]>>()
    .mockRejectedValueOnce(new TypeError("fetch"))
    .mockResolvedValueOnce({ code: "forbidden", message: "Not you.", hint: "Ask a host." })
    .mockResolvedValueOnce(null);
  show("?lobby=demo", { destroy });
  await join("owner");
  await press("settings-button");
  await press("end-lobby-button");
  expect(destroy).not.toHaveBeenCalled();
  await press("confirm-button");
  expect(screen.getByText(texts.settings.notEnded.message)).toBeTruthy();
  await press("confirm-button");
  expect(screen.getByText("Not you.")).toBeTruthy();
  await press("confirm-button");
  expect(destroy.mock.calls).toEqual([["demo"], ["demo"], ["demo"]]);
  await receive({ type: "lobby_destroyed", lobby: "demo", data: {} });
  expect(screen.getByTestId("end-gone").textContent).toContain(texts.end.gone);
});

test("a person can follow or decline a host's request to mute", async () => {
  show("?lobby=demo");
  await join("guest", {}, [{ id: "p-2", name: "Linus", kind: "human", role: "host" }]);
  const request: ServerMessage = {
    type: "moderation",
    lobby: "demo",
    data: { action: "mute_request", participant_id: "p-1", by: "p-2" },
  };
  await receive(request);
  expect(screen.getByRole("alert").textContent).toContain(texts.moderation.asksYou("Linus"));
  await press("stay-unmuted-button");
  expect(screen.queryByTestId("mute-request")).toBeNull();
  expect(client.state.muted).toBe(false);
  await receive(request);
  await press("mute-now-button");
  expect(screen.queryByTestId("mute-request")).toBeNull();
  expect(FakeSocket.last.of("participant_update").at(-1)?.data).toEqual({ muted: true });
});

test.each<["kicked" | "banned", string]>([
  ["kicked", texts.end.kicked],
  ["banned", texts.end.banned],
])("whoever is %s is told", async (reason, title) => {
  show("?lobby=demo");
  await join("guest");
  const data = { participant_id: "p-1", reason };
  await receive({ type: "user_left", lobby: "demo", data });
  const end = screen.getByTestId("end-gone");
  expect(end.dataset.reason).toBe(reason);
  expect(within(end).getByRole("heading").textContent).toBe(title);
});

test.each([true, false])(
  "a server that goes says so, and whether it returns: %s",
  async (returning) => {
    show("?lobby=demo");
    await join("guest");
    await receive({ type: "going_away", data: { seconds: 30, returning } });
    const { goingAway } = texts.lobby;
    const said = screen.getByTestId("going-away-banner").textContent;
    expect(said).toContain(returning ? goingAway.returning : goingAway.ending);
    await act(async () => FakeSocket.last.drop(1012));
    expect(screen.getByTestId("reconnecting-banner").textContent).toContain(texts.lobby.restarting);
  },
);

test("after a minute without the server the page says so, and what to do", async () => {
  show("?lobby=demo");
  await join("guest");
  vi.useFakeTimers();
  try {
    await act(async () => FakeSocket.last.drop());
    await act(() => vi.advanceTimersByTimeAsync(59_999));
    expect(screen.getByTestId("reconnecting-banner")).toBeTruthy();
    await act(() => vi.advanceTimersByTimeAsync(1));
    expect(screen.getByTestId("not-back-banner").textContent).toContain(texts.lobby.notBackHint);
    await act(() => vi.advanceTimersByTimeAsync(10_000));
    await act(async () => FakeSocket.last.establish(true));
    expect(screen.queryByTestId("not-back-banner")).toBeNull();
  } finally {
    vi.useRealTimers();
  }
});
