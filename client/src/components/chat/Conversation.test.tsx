import { act, fireEvent, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test, vi } from "vitest";
import type { ServerMessage } from "../../protocol/messages";
import { chatArrived } from "../../session/reduce/pendingChat";
import { FakeSocket } from "../../testing/FakeSocket";
import { client, join, receive, show } from "../../testing/page";
import { texts } from "../../texts";

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

test("the captions button is named as labelled and says whether captions are shown", async () => {
  show("?lobby=demo");
  await join();
  const name = texts.lobby.short.captions;
  await userEvent.click(screen.getByRole("button", { name, pressed: true }));
  expect(screen.queryByTestId("captions")).toBeNull();
  expect(screen.getByRole("button", { name, pressed: false })).toBeTruthy();
});

test("messages written offline are shown as waiting, in order, until they have arrived", async () => {
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

test("a message that has arrived no longer counts as waiting, even if its echo was lost", async () => {
  show("?lobby=demo");
  await join();
  const id = write("hello");
  act(() => client.store.setState(chatArrived(client.state, id)));
  expect([rows("chat-row"), rows("pending-row")]).toEqual([["hello"], []]);
  expect(screen.getByTestId("chat-row").dataset).toMatchObject({ speaker: "Grace" });
});
