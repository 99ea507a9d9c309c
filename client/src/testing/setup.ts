import { afterEach, vi } from "vitest";
import { FakeMediaStream } from "./FakeMediaStream";
import { FakePeerConnection } from "./FakePeerConnection";
import { FakeSocket } from "./FakeSocket";

vi.stubGlobal("MediaStream", FakeMediaStream);

afterEach(() => {
  document.body.replaceChildren();
  localStorage.clear();
  sessionStorage.clear();
  FakeSocket.sockets = [];
  FakePeerConnection.all = [];
});
