import { act, screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test } from "vitest";
import { withPeer } from "../session/reduce/reduce";
import { FakeSocket } from "../testing/FakeSocket";
import { client, join, receive, show } from "../testing/page";
import { texts } from "../texts";

/** The server gives the connection to the agents up. */
function fails(epoch: number, code: string, message: string, retryable: boolean) {
  const data = { code, message, retryable };
  return receive({ type: "webrtc_failed", lobby: "demo", peer: "host", epoch, data });
}

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

test("'you can still hear each other' is shown only while a peer is connected", async () => {
  show("?lobby=demo");
  await join();
  await act(async () => FakeSocket.last.drop());
  const banner = screen.getByTestId("reconnecting-banner");
  expect(banner.textContent).not.toContain(texts.lobby.reconnectHint);
  act(() => client.store.setState(withPeer(client.state, "p-2", 1, { state: "connected" })));
  expect(banner.textContent).toContain(texts.lobby.reconnectHint);
});

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
