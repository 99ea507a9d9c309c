import { act, cleanup, fireEvent, render, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ClientContext } from "../hooks/ClientContext";
import { readOptions } from "../options";
import type { ServerMessage } from "../protocol/messages";
import { DeviceProblem, type DeviceProblemKind } from "../rtc/problems";
import { Client } from "../session/client";
import { chatArrived } from "../session/reduce/pendingChat";
import { withPeer } from "../session/reduce/reduce";
import { FakePeerConnection, FakeTrack } from "../testing/FakePeerConnection";
import { FakeSocket } from "../testing/FakeSocket";
import { texts } from "../texts";
import { App } from "./App";

let client: Client;
/** For what comes with a real timer's tick; a busy machine is no failure. */
const PATIENT = { timeout: 20_000 };

function show(search: string, problem?: DeviceProblemKind): void {
  client = new Client(readOptions(search), {
    signaling: { openSocket: FakeSocket.open, prepare: async () => {} },
    createConnection: FakePeerConnection.create,
    lookUp: async (id) => ({ id, name: "Demo", knock: false }),
    open: async (kind) => {
      if (problem) throw new DeviceProblem(problem);
      return new FakeTrack(kind) as unknown as MediaStreamTrack;
    },
  });
  render(
    <ClientContext value={client}>
      <App />
    </ClientContext>,
  );
}

const receive = (message: ServerMessage) => act(async () => FakeSocket.last.receive(message));

async function join(name = "Grace"): Promise<void> {
  const user = userEvent.setup({ delay: null });
  await user.clear(screen.getByTestId("name-input"));
  await user.type(screen.getByTestId("name-input"), name);
  await user.click(screen.getByTestId("join-button"));
  await act(async () => FakeSocket.last.establish());
  const id = FakeSocket.last.of("join_lobby")[0]?.id ?? null;
  await receive({
    type: "lobby_joined",
    lobby: "demo",
    id,
    data: { participant_id: "p-1", ice_servers: [] },
  });
  await receive({
    type: "lobby_state",
    lobby: "demo",
    data: {
      lobby: { id: "demo", name: "Demo", host_peer: "host" },
      version: 1,
      participants: [
        { id: "p-1", name, kind: "human" },
        { id: "a-1", name: "Ada", kind: "agent", state: "thinking", notice: "Offline brain" },
      ],
    },
  });
}

beforeEach(() => {
  // happy-dom does not play media.
  HTMLMediaElement.prototype.play = async () => {};
});

afterEach(() => {
  vi.useRealTimers();
  cleanup();
  client.unload();
  Reflect.deleteProperty(globalThis, "AudioContext");
});

test("a person goes from the join page into the lobby", async () => {
  show("?lobby=demo");
  await join();
  const agent = screen.getByTestId("tile-a-1");
  expect(agent.dataset).toMatchObject({ kind: "agent", name: "Ada", state: "thinking" });
  expect(within(agent).getByText(texts.lobby.states.thinking)).toBeTruthy();
  expect(within(agent).getByText("Offline brain")).toBeTruthy();
  expect(screen.getByTestId("tile-p-1").dataset).toMatchObject({ kind: "human", self: "true" });
});

test("a page under an unknown address is refused for good", async () => {
  show("?lobby=demo");
  await join();
  await act(async () => FakeSocket.last.drop(4403));
  const screenSaid = screen.getByTestId("end-refused").textContent;
  expect(screenSaid).toContain(texts.end.wrongAddress);
  expect(screenSaid).toContain(`PUBLIC_URL=${location.origin}`);
});

test("nobody joins without a name", async () => {
  show("?lobby=demo");
  await userEvent.click(screen.getByTestId("join-button"));
  expect(screen.getByText(texts.prejoin.nameNeeded)).toBeTruthy();
  expect(FakeSocket.sockets).toHaveLength(0);
});

test.each<[DeviceProblemKind, string]>([
  ["denied", texts.devices.titles.denied],
  ["missing", texts.devices.hints.missing],
  ["insecure", texts.devices.hints.insecure],
])("a microphone that is %s is explained, and listening is offered", async (kind, said) => {
  show("?lobby=demo", kind);
  const help = await screen.findByTestId("microphone-problem");
  expect(help.dataset.problem).toBe(kind);
  expect(within(help).getByText(said)).toBeTruthy();
  expect(screen.getByTestId("join-button").textContent).toBe(texts.prejoin.joinListening);
});

test("captions grow, and people's names stay text", async () => {
  show("?lobby=demo");
  await join("<img src=x onerror=alert(1)>");
  const caption = (text: string, final: boolean): ServerMessage => ({
    type: "transcript",
    lobby: "demo",
    data: { utterance_id: "u", participant_id: "a-1", name: "<b>Ada</b>", text, final, t: 65 },
  });
  await receive(caption("It is", false));
  await receive(caption("It is <i>raining</i>.", true));
  const row = screen.getByTestId("caption");
  expect(row.dataset).toMatchObject({ speaker: "<b>Ada</b>", final: "true", t: "65" });
  expect(row.querySelector("p")?.textContent).toBe("It is <i>raining</i>.");
  expect(row.querySelector("time")?.textContent).toBe("01:05");
  expect(document.querySelector("img")).toBeNull();
  expect(row.querySelector("b, p > i")).toBeNull();
});

test("screen readers are told final captions only", async () => {
  show("?lobby=demo");
  await join();
  const data = { utterance_id: "u", participant_id: "a-1", name: "Ada", t: 1 };
  await receive({ type: "transcript", lobby: "demo", data: { ...data, text: "It", final: false } });
  const log = screen.getByRole("log");
  expect(log.textContent).toBe("");
  await receive({
    type: "transcript",
    lobby: "demo",
    data: { ...data, text: "It is.", final: true },
  });
  expect(log.textContent).toBe("Ada: It is.");
});

test("adding an agent: progress, the reason it failed, then success closes the dialog", async () => {
  const user = userEvent.setup({ delay: null });
  show("?lobby=demo");
  await join();
  await user.click(screen.getByTestId("add-agent-button"));
  await user.type(screen.getByTestId("agent-description"), "a cook");
  await user.click(screen.getByTestId("agent-submit-button"));
  expect(screen.getByTestId("agent-progress")).toBeTruthy();
  const asked = () => FakeSocket.last.of("agent_create").at(-1);
  expect(asked()?.data).toEqual({ description: "a cook" });
  await receive({
    type: "error",
    id: asked()?.id ?? null,
    data: { code: "model_load", message: "No voice.", hint: "Install one." },
  });
  expect(screen.getByTestId("agent-error").textContent).toBe("No voice.Install one.");
  await user.click(screen.getByTestId("agent-submit-button"));
  await receive({
    type: "agent_created",
    lobby: "demo",
    id: asked()?.id ?? null,
    data: { participant: { id: "a-2", name: "Pablo", kind: "agent" } },
  });
  expect(screen.queryByTestId("agent-description")).toBeNull();
  expect(screen.getByTestId("tile-a-2").dataset.name).toBe("Pablo");
});

test.each(["keyboard", "mouse"])(
  "Escape closes the dialog and gives the focus back: %s",
  async (how) => {
    const user = userEvent.setup({ delay: null });
    show("?lobby=demo");
    await join();
    const button = screen.getByTestId("add-agent-button");
    if (how === "mouse") {
      await user.click(button);
    } else {
      act(() => button.focus());
      await user.keyboard("{Enter}");
    }
    await user.type(screen.getByTestId("agent-description"), "a cook{Escape}");
    expect(screen.queryByTestId("agent-description")).toBeNull();
    await waitFor(() => expect(document.activeElement).toBe(button));
  },
);

test("when the first agent has joined, the focus moves from the vanished button to another one", async () => {
  const user = userEvent.setup({ delay: null });
  show("?lobby=demo");
  await join();
  await receive({
    type: "agent_removed",
    lobby: "demo",
    data: { participant_id: "a-1", reason: "removed" },
  });
  await user.click(screen.getByTestId("add-first-agent-button"));
  await user.type(screen.getByTestId("agent-description"), "a cook{Enter}");
  const id = FakeSocket.last.of("agent_create").at(-1)?.id ?? null;
  await receive({
    type: "agent_created",
    lobby: "demo",
    id,
    data: { participant: { id: "a-2", name: "Pablo", kind: "agent" } },
  });
  expect(screen.queryByTestId("agent-description")).toBeNull();
  await waitFor(() => expect(document.activeElement).toBe(screen.getByTestId("add-agent-button")));
});

test("a failed agent is reported after the dialog was closed, too", async () => {
  const user = userEvent.setup({ delay: null });
  show("?lobby=demo");
  await join();
  await user.click(screen.getByTestId("add-agent-button"));
  await user.type(screen.getByTestId("agent-description"), "a cook{Enter}");
  expect(screen.queryByText(texts.addAgent.cancel)).toBeNull();
  await user.click(screen.getByText(texts.close));
  expect(screen.queryByTestId("agent-description")).toBeNull();
  await receive({
    type: "error",
    id: FakeSocket.last.of("agent_create").at(-1)?.id ?? null,
    data: { code: "model_load", message: "No voice.", hint: "Install one." },
  });
  expect(screen.getByTestId("toast").textContent).toBe("No voice.Install one.");
});

test("while a dialog is open, notifications are announced and can be dismissed", async () => {
  const user = userEvent.setup({ delay: null });
  show("?lobby=demo");
  await join();
  await user.click(screen.getByTestId("add-agent-button"));
  await receive({ type: "error", data: { code: "stt", message: "Speech recognition failed." } });
  const toast = screen.getByTestId("toast");
  expect(toast.closest("[inert], [aria-hidden='true']")).toBeNull();
  await user.click(within(toast).getByRole("button"));
  expect(screen.queryByTestId("toast")).toBeNull();
  expect(screen.getByTestId("agent-description")).toBeTruthy();
});

test("the keyboard focus survives joining and removing an agent", async () => {
  const user = userEvent.setup({ delay: null });
  show("?lobby=demo");
  await join();
  expect(document.activeElement).toBe(screen.getByRole("main"));
  expect(screen.getByRole("main", { name: "Demo" })).toBeTruthy();
  act(() => screen.getByTestId("menu-a-1").focus());
  await user.keyboard("{Enter}");
  act(() => screen.getByTestId("remove-a-1").focus());
  await user.keyboard("{Enter}");
  expect(FakeSocket.last.of("agent_remove")).toMatchObject([{ data: { participant_id: "a-1" } }]);
  await receive({
    type: "agent_removed",
    lobby: "demo",
    data: { participant_id: "a-1", reason: "removed" },
  });
  await waitFor(() => expect(document.activeElement).toBe(screen.getByTestId("add-agent-button")));
});

test("the captions button is named as labelled and says whether captions are shown", async () => {
  show("?lobby=demo");
  await join();
  const name = texts.lobby.short.captions;
  await userEvent.click(screen.getByRole("button", { name, pressed: true }));
  expect(screen.queryByTestId("captions")).toBeNull();
  expect(screen.getByRole("button", { name, pressed: false })).toBeTruthy();
});

test("another microphone can be chosen where one is missing", async () => {
  show("?lobby=demo", "missing");
  await screen.findByTestId("microphone-problem");
  expect(screen.queryByTestId("microphone-select")).toBeNull();
  const choices = [{ id: "headset", label: "Headset" }];
  act(() => client.store.setState({ microphone: { ...client.state.microphone, choices } }));
  expect(screen.getByTestId("microphone-select").textContent).toContain("Headset");
});

test.each<["microphone" | "camera", string]>([
  ["microphone", "mute-button"],
  ["camera", "camera-button"],
])("in the lobby a %s that does not open says why until that is read", async (kind, control) => {
  show("?lobby=demo", "busy");
  await screen.findByTestId("microphone-problem");
  await join();
  // Before joining it was said, and listening was chosen.
  expect(screen.queryByTestId(`${kind}-banner`)).toBeNull();
  const { titles, cameraTitles, hints } = texts.devices;
  const title = (kind === "microphone" ? titles : cameraTitles).busy;
  const open = vi.spyOn(client, "openDevice");
  for (const times of [1, 2]) {
    await userEvent.click(screen.getByTestId(control));
    expect(open).toHaveBeenCalledTimes(times);
    const said = screen.getByRole("alert");
    expect(said.textContent).toContain(title);
    expect(said.textContent).toContain(hints.busy);
  }
  await userEvent.click(within(screen.getByRole("alert")).getByText(texts.prejoin.tryAgain));
  expect(open).toHaveBeenCalledTimes(3);
  const banner = screen.getByTestId(`${kind}-banner`);
  await userEvent.click(within(banner).getByRole("button", { name: texts.dismiss }));
  expect(screen.queryByTestId(`${kind}-banner`)).toBeNull();
  await waitFor(() => expect(document.activeElement).toBe(screen.getByTestId(control)));
});

test("a microphone meter that waits for a click says so", async () => {
  const context = {
    state: "suspended",
    resume: async () => {},
    createMediaStreamSource: () => ({ connect: () => {}, disconnect: () => {} }),
    createAnalyser: () => ({ fftSize: 0, getFloatTimeDomainData: () => {} }),
  };
  vi.stubGlobal("AudioContext", function Context() {
    return context;
  });
  show("?lobby=demo");
  expect(await screen.findByText(texts.prejoin.levelAsleep, {}, PATIENT)).toBeTruthy();
  context.state = "running";
  expect(await screen.findByText(texts.prejoin.levelHint, {}, PATIENT)).toBeTruthy();
});

test("'you can still hear each other' is shown only while a peer is connected", async () => {
  show("?lobby=demo");
  await join();
  await act(async () => FakeSocket.last.drop());
  const banner = screen.getByTestId("reconnecting-banner");
  expect(banner.textContent).not.toContain(texts.lobby.reconnectHint);
  act(() => client.store.setState(withPeer(client.state, "p-2", 1, { state: "connected" })));
  expect(banner.textContent).toContain(texts.lobby.reconnectHint);
});

function write(text: string): string {
  const input = screen.getByTestId("chat-input");
  fireEvent.change(input, { target: { value: text } });
  fireEvent.submit(input);
  return client.state.pendingChat.at(-1)?.id ?? "";
}

const echo = (id: string, text: string) =>
  receive({
    type: "chat_message",
    id,
    lobby: "demo",
    data: { text, participant_id: "p-1" },
  });

const rows = (id: string) =>
  screen.queryAllByTestId(id).map((row) => row.querySelector("p")?.textContent);

test("what is written offline waits in sight and in order until it has arrived", async () => {
  show("?lobby=demo");
  await join();
  vi.useFakeTimers();
  await act(async () => window.dispatchEvent(new Event("offline")));
  expect(screen.getByTestId("connection-badge").dataset.state).toBe("reconnecting");
  expect(screen.getByTestId("reconnecting-banner").textContent).toContain(texts.lobby.noAnswer);
  const ids = [write("one"), write("two")];
  expect(rows("pending-row")).toEqual(["one", "two"]);
  expect(screen.getAllByText(texts.captions.waiting)).toHaveLength(2);
  expect(FakeSocket.last.of("chat_message")).toEqual([]);
  await receive({ type: "pong", data: {} });
  expect(FakeSocket.last.of("chat_message").map(({ id }) => id)).toEqual(ids);
  await echo(ids[0] ?? "", "one");
  await echo(ids[0] ?? "", "one");
  expect([rows("chat-row"), rows("pending-row")]).toEqual([["one"], ["two"]]);
  await echo(ids[1] ?? "", "two");
  expect([rows("chat-row"), rows("pending-row")]).toEqual([["one", "two"], []]);
  expect(screen.queryByTestId("reconnecting-banner")).toBeNull();
});

test("a message that the server refuses is shown as not sent, and can be sent again or dropped", async () => {
  show("?lobby=demo");
  await join();
  for (const text of ["one", "two"]) {
    const id = write(text);
    await receive({
      type: "error",
      id,
      data: { code: "too_fast", message: "Too fast.", hint: "" },
    });
  }
  expect(screen.queryByTestId("toast")).toBeNull();
  const failed = screen.getAllByTestId("pending-row");
  expect(failed.map((row) => row.dataset.state)).toEqual(["failed", "failed"]);
  expect(within(failed[0] as HTMLElement).getByRole("alert").textContent).toContain("Too fast.");
  await userEvent.click(within(failed[1] as HTMLElement).getByTestId("discard-button"));
  await userEvent.click(screen.getByTestId("send-again-button"));
  const sent = FakeSocket.last.of("chat_message");
  expect(sent.map(({ data }) => data.text)).toEqual(["one", "two", "one"]);
  expect(new Set(sent.map(({ id }) => id)).size).toBe(3);
  await echo(sent[2]?.id ?? "", "one");
  expect([rows("chat-row"), rows("pending-row")]).toEqual([["one"], []]);
});

test("a message that may or may not have arrived is left to its author", async () => {
  show("?lobby=demo");
  await join();
  write("perhaps");
  await act(async () => FakeSocket.last.drop());
  await waitFor(() => expect(FakeSocket.sockets).toHaveLength(2));
  await act(async () => FakeSocket.last.establish(false));
  expect(FakeSocket.last.of("chat_message")).toEqual([]);
  expect(screen.getByTestId("pending-row").textContent).toContain(texts.captions.uncertain);
  await userEvent.click(screen.getByTestId("send-again-button"));
  expect(FakeSocket.last.of("chat_message")).toHaveLength(1);
});

test("a message that has arrived is no longer waited for, though its copy was lost", async () => {
  show("?lobby=demo");
  await join();
  const id = write("hello");
  act(() => client.store.setState(chatArrived(client.state, id)));
  expect([rows("chat-row"), rows("pending-row")]).toEqual([["hello"], []]);
  expect(screen.getByTestId("chat-row").dataset).toMatchObject({ speaker: "Grace" });
});

/** The server gives the connection to the agents up. */
function fails(epoch: number, code: string, message: string, retryable: boolean) {
  const data = { code, message, retryable };
  return receive({ type: "webrtc_failed", lobby: "demo", peer: "host", epoch, data });
}

test("a failure of the server is not blamed on the network", async () => {
  show("?lobby=demo");
  await join();
  await fails(1, "media_gone", "The media worker gave no answer.", true);
  const said = screen.getByTestId("failed-banner").textContent;
  expect(said).toContain(texts.errors.said.media_gone.message);
  expect(said).not.toContain(texts.lobby.failures.ice_failed);
});

test("without any network address, a reload is offered", async () => {
  show("?lobby=demo");
  await join();
  await fails(1, "no_candidates", "No candidates.", false);
  const banner = screen.getByTestId("failed-banner");
  expect(banner.textContent).toContain(texts.lobby.failures.no_candidates);
  expect(within(banner).getByTestId("reload-button")).toBeTruthy();
  expect(within(banner).queryByTestId("retry-button")).toBeNull();
});

test("an error is shown with what to do, and can be dismissed", async () => {
  show("?lobby=demo");
  await join();
  await receive({
    type: "error",
    data: { code: "stt", message: "Speech recognition failed.", hint: "Say it again." },
  });
  const toast = screen.getByTestId("toast");
  expect(toast.textContent).toBe("Speech recognition failed.Say it again.");
  await userEvent.click(within(toast).getByRole("button", { name: texts.dismiss }));
  expect(screen.queryByTestId("toast")).toBeNull();
});

test("a connection that was given up can be tried again", async () => {
  show("?lobby=demo");
  await join();
  await fails(3, "ice_failed", "No path.", true);
  expect(screen.getByTestId("connection-badge").dataset.state).toBe("failed");
  await userEvent.click(screen.getByTestId("retry-button"));
  expect(FakeSocket.last.of("negotiation_needed")).toMatchObject([{ peer: "host", epoch: 3 }]);
  expect(screen.queryByTestId("failed-banner")).toBeNull();
});

test("a button starts sound that the browser blocked", async () => {
  HTMLMediaElement.prototype.play = () =>
    Promise.reject(new DOMException("blocked", "NotAllowedError"));
  show("?lobby=demo");
  await join();
  await receive({
    type: "start_webrtc_negotiation",
    lobby: "demo",
    peer: "host",
    epoch: 1,
    data: { role: "offerer", ice_servers: [], receive: ["a-1"] },
  });
  const button = await screen.findByTestId("hear-button");
  HTMLMediaElement.prototype.play = async () => {};
  await userEvent.click(button);
  expect(screen.queryByTestId("hear-button")).toBeNull();
});

test("leaving, and coming back", async () => {
  show("?lobby=demo");
  await join();
  await userEvent.click(screen.getByTestId("leave-button"));
  expect(screen.getByTestId("end-left")).toBeTruthy();
  await userEvent.click(screen.getByTestId("again-button"));
  expect(screen.getByTestId("join-button")).toBeTruthy();
});

test("without a lobby in the address, one can be created or joined", async () => {
  const user = userEvent.setup({ delay: null });
  show("");
  await user.type(screen.getByTestId("lobby-link-input"), "not a lobby!");
  await user.click(screen.getByTestId("go-button"));
  expect(screen.getByText(texts.start.badLink)).toBeTruthy();
  await user.type(screen.getByTestId("lobby-name-input"), "Tea room");
  await user.click(screen.getByTestId("create-lobby-button"));
  await act(async () => FakeSocket.last.establish());
  const wish = FakeSocket.last.of("create_lobby")[0];
  expect(wish?.data.name).toBe("Tea room");
  expect(screen.getByTestId("create-lobby-button").textContent).toBe(texts.start.creating);
  await receive({
    type: "lobby_created",
    id: wish?.id ?? null,
    data: { id: "tea", name: "Tea room" },
  });
  expect(screen.getByTestId("lobby-title").textContent).toBe("Tea room");
  expect(location.search).toBe("?lobby=tea");
});
