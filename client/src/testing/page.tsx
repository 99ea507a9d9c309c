import { act, cleanup, render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, vi } from "vitest";
import { App } from "../components/App";
import { ClientContext } from "../hooks/ClientContext";
import { readOptions } from "../options";
import type { ServerMessage } from "../protocol/messages";
import { DeviceProblem, type DeviceProblemKind } from "../rtc/problems";
import { Client } from "../session/client";
import { FakePeerConnection, FakeTrack } from "./FakePeerConnection";
import { FakeSocket } from "./FakeSocket";

/** The client behind the page of the running test. */
export let client: Client;

/** Shows the page of the address with this query. With `problem`, no device can be opened. */
export function show(search: string, problem?: DeviceProblemKind): void {
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

/** Lets the page receive a message of the server. */
export const receive = (message: ServerMessage) =>
  act(async () => FakeSocket.last.receive(message));

/** Goes from the join page into the lobby, where the agent Ada is thinking. */
export async function join(name = "Grace"): Promise<void> {
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
