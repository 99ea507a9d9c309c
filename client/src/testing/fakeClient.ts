import { afterEach, beforeEach, vi } from "vitest";
import { readOptions } from "../options";
import { Client, type ClientParts } from "../session/client";
import { FakePeerConnection, FakeTrack } from "./FakePeerConnection";
import { FakeSocket } from "./FakeSocket";
import { settle } from "./settle";

let clients: Client[] = [];

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  for (const client of clients) client.unload();
  clients = [];
  vi.useRealTimers();
  Reflect.deleteProperty(navigator, "mediaDevices");
});

export const track = (kind: string) => new FakeTrack(kind) as unknown as MediaStreamTrack;

/** A client at the address with this query, with fake parts unless others are given. */
export function makeClient(search: string, parts: Partial<ClientParts> = {}): Client {
  const client = new Client(readOptions(search), {
    signaling: { openSocket: FakeSocket.open, prepare: async () => {}, random: () => 0.5 },
    createConnection: FakePeerConnection.create,
    open: async (kind) => track(kind),
    lookUp: async (id) => ({ id, name: "Demo lobby", knock: false }),
    ...parts,
  });
  clients.push(client);
  return client;
}

/** A client that has joined the lobby, where the agent Ada is. */
export async function inLobby(
  parts?: Partial<ClientParts>,
  ice_expires_s: number | null = null,
): Promise<Client> {
  const client = makeClient("?lobby=demo&name=Grace", parts);
  await client.openDevice("microphone");
  client.join("Grace");
  await settle();
  FakeSocket.last.establish();
  welcome(ice_expires_s);
  return client;
}

/** Lets the server accept the newest request to join. */
export function welcome(ice_expires_s: number | null = null): void {
  const socket = FakeSocket.last;
  socket.receive({
    type: "lobby_joined",
    id: socket.of("join_lobby").at(-1)?.id ?? null,
    lobby: "demo",
    seq: 1,
    data: { participant_id: "p-1", ice_servers: [], ice_expires_s },
  });
  socket.receive({
    type: "lobby_state",
    lobby: "demo",
    seq: 2,
    data: {
      lobby: { id: "demo", name: "Demo", host_peer: "host" },
      participants: [
        { id: "p-1", name: "Grace", kind: "human" },
        { id: "a-1", name: "Ada", kind: "agent" },
      ],
      version: 1,
    },
  });
}
