import type { ClientMessage, ServerMessage } from "../protocol/messages";
import type { Socket } from "../signaling/signaling";

/** A WebSocket whose other end is the test. `sockets` holds all that were opened, in order. */
export class FakeSocket implements Socket {
  static sockets: FakeSocket[] = [];

  static open = (url: string): FakeSocket => {
    const socket = new FakeSocket(url);
    FakeSocket.sockets.push(socket);
    return socket;
  };

  static get last(): FakeSocket {
    const socket = FakeSocket.sockets.at(-1);
    if (!socket) throw new Error("no socket was opened");
    return socket;
  }

  readonly url: string;
  readyState: Socket["readyState"] = 0;
  readonly sent: ClientMessage[] = [];
  closedWith: number | undefined;
  onopen: Socket["onopen"] = null;
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;
  onerror: Socket["onerror"] = null;

  constructor(url: string) {
    this.url = url;
  }

  send(data: string): void {
    this.sent.push(JSON.parse(data) as ClientMessage);
  }

  close(code?: number): void {
    this.readyState = 3;
    this.closedWith = code;
  }

  /** What was sent, of these types or of all. */
  of<T extends ClientMessage["type"]>(type: T): Extract<ClientMessage, { type: T }>[] {
    return this.sent.filter(
      (message): message is Extract<ClientMessage, { type: T }> => message.type === type,
    );
  }

  /** The server sends. */
  receive(message: ServerMessage): void {
    const event = new MessageEvent("message", { data: JSON.stringify(message) });
    this.onmessage?.call(this as unknown as WebSocket, event);
  }

  /** The server accepts and greets. */
  establish(resumed = false): void {
    this.readyState = 1;
    this.receive({
      type: "session_established",
      data: { session: "s-1", version: "0", resumed },
    });
  }

  /** The connection breaks, or the server closes it. */
  drop(code = 1006): void {
    this.readyState = 3;
    this.onclose?.call(this as unknown as WebSocket, { code } as CloseEvent);
  }
}
