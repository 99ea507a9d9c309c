import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Outgoing } from "../signaling/signaling";
import { FakePeerConnection, FakeTrack } from "../testing/FakePeerConnection";
import { settle } from "../testing/settle";
import { PersonPeer } from "./person";

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

function side(polite: boolean, microphone: FakeTrack | null = null) {
  const sent: Outgoing[] = [];
  const streams: unknown[] = [];
  const peer = new PersonPeer({
    peer: polite ? "impolite" : "polite",
    epoch: 1,
    iceServers: [],
    relayOnly: false,
    send: (message) => sent.push(message),
    onStatus: () => {},
    createConnection: FakePeerConnection.create,
    polite,
    microphone: microphone as unknown as MediaStreamTrack | null,
    camera: null,
    onStream: (stream) => streams.push(stream),
  });
  const pc = FakePeerConnection.last;
  /** Takes what was sent of a type. */
  const take = (type: Outgoing["type"]) => {
    const index = sent.findIndex((message) => message.type === type);
    return index < 0 ? undefined : sent.splice(index, 1)[0];
  };
  return { peer, pc, sent, take, streams };
}

type Side = ReturnType<typeof side>;

async function deliver(from: Side, to: Side): Promise<void> {
  await settle();
  const description = from.take("webrtc_offer") ?? from.take("webrtc_answer");
  if (description?.type === "webrtc_offer") await to.peer.onOffer(description.data);
  if (description?.type === "webrtc_answer") await to.peer.onAnswer(description.data);
  await settle();
}

async function connected(): Promise<[Side, Side]> {
  const impolite = side(false, new FakeTrack("audio"));
  const polite = side(true, new FakeTrack("audio"));
  polite.peer.start();
  impolite.peer.start();
  await deliver(impolite, polite);
  await deliver(polite, impolite);
  return [impolite, polite];
}

test("the impolite side offers audio and video once, the polite one adopts both", async () => {
  const [impolite, polite] = await connected();
  expect(impolite.pc.signalingState).toBe("stable");
  expect(polite.pc.signalingState).toBe("stable");
  expect(polite.pc.transceivers.map(({ direction }) => direction)).toEqual([
    "sendrecv",
    "sendrecv",
  ]);
  expect(polite.pc.transceivers[0]?.sender.track).toBeInstanceOf(FakeTrack);
  expect(
    [impolite.sent, polite.sent].flat().filter(({ type }) => type !== "ice_candidate"),
  ).toEqual([]);
});

test("glare: the polite side accepts the other's offer, the impolite side ignores it", async () => {
  const [impolite, polite] = await connected();
  impolite.pc.restartIce();
  polite.pc.restartIce();
  await settle();
  expect(impolite.pc.signalingState).toBe("have-local-offer");
  expect(polite.pc.signalingState).toBe("have-local-offer");
  await deliver(polite, impolite);
  expect(impolite.pc.signalingState).toBe("have-local-offer");
  expect(impolite.take("webrtc_answer")).toBeUndefined();
  await deliver(impolite, polite);
  await deliver(polite, impolite);
  expect(polite.pc.rollbacks).toBe(1);
  expect(impolite.pc.rollbacks).toBe(0);
  expect(impolite.pc.signalingState).toBe("stable");
  expect(polite.pc.signalingState).toBe("stable");
});

test("unusable candidates, such as those of an ignored offer, do no harm", async () => {
  const [impolite, polite] = await connected();
  impolite.pc.restartIce();
  polite.pc.restartIce();
  await deliver(polite, impolite);
  impolite.pc.addIceCandidate = () => Promise.reject(new Error("unknown ufrag"));
  await expect(impolite.peer.addCandidate({ candidate: "candidate:1" })).resolves.toBeUndefined();
});

test("candidates that overtake the offer wait for it", async () => {
  const polite = side(true);
  polite.peer.start();
  await polite.peer.addCandidate({ candidate: "candidate:1", sdp_mid: "0" });
  expect(polite.pc.candidates).toEqual([]);
  await polite.peer.onOffer({ sdp: "offer 1", tracks: {} });
  expect(polite.pc.candidates).toMatchObject([{ candidate: "candidate:1", sdpMid: "0" }]);
});

test("the polite side asks for the first offer when none comes", async () => {
  const polite = side(true);
  polite.peer.start();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(polite.sent).toMatchObject([{ type: "negotiation_needed", epoch: 1 }]);
});

test("turning the camera on changes no description", async () => {
  const [impolite, polite] = await connected();
  const camera = new FakeTrack("video") as unknown as MediaStreamTrack;
  await polite.peer.setCamera(camera);
  await settle();
  expect(polite.pc.transceivers[1]?.sender.track).toBe(camera);
  expect([...impolite.sent, ...polite.sent].map(({ type }) => type)).not.toContain("webrtc_offer");
});

test("a lost path may recover by itself, or the server repairs it", async () => {
  const both = await connected();
  for (const { pc } of both) pc.become("connected");
  await settle();
  for (const { pc } of both) pc.become("disconnected");
  await vi.advanceTimersByTimeAsync(10_000);
  for (const one of both) expect(one.take("webrtc_offer")).toBeUndefined();
});

const gather = (one: Side) => {
  const line = { candidate: "candidate:1", sdpMid: "0", sdpMLineIndex: 0, usernameFragment: "u" };
  one.pc.onicecandidate?.({ candidate: line });
  one.pc.onicecandidate?.({ candidate: null });
};

const gathered = (one: Side) => {
  const found: unknown[] = [];
  for (let next = one.take("ice_candidate"); next; next = one.take("ice_candidate")) {
    if (next.type === "ice_candidate") found.push(next.data.candidate);
  }
  return found;
};

test("a restart offers on the same connection, and both sides gather again", async () => {
  const [impolite, polite] = await connected();
  const connections = FakePeerConnection.all.length;
  for (const one of [impolite, polite]) {
    gather(one);
    expect(gathered(one)).toEqual(["candidate:1", ""]);
  }
  impolite.peer.restart();
  await deliver(impolite, polite);
  await deliver(polite, impolite);
  for (const one of [impolite, polite]) {
    expect(one.pc.signalingState).toBe("stable");
    gather(one);
    expect(gathered(one)).toEqual(["candidate:1", ""]);
  }
  expect(FakePeerConnection.all).toHaveLength(connections);
});

test("gathering that takes too long is ended after a restart, too", async () => {
  const [impolite, polite] = await connected();
  for (const one of [impolite, polite]) {
    gather(one);
    gathered(one);
  }
  impolite.peer.restart();
  await deliver(impolite, polite);
  await deliver(polite, impolite);
  await vi.advanceTimersByTimeAsync(8_000);
  for (const one of [impolite, polite]) expect(gathered(one)).toEqual([""]);
});

test("when both sides restart at once, one offer wins and both get a new path", async () => {
  const [impolite, polite] = await connected();
  impolite.peer.restart();
  polite.peer.restart();
  await settle();
  await deliver(polite, impolite);
  await deliver(impolite, polite);
  await deliver(polite, impolite);
  expect(polite.pc.rollbacks).toBe(1);
  expect(impolite.pc.remoteDescription?.type).toBe("answer");
  for (const { pc } of [impolite, polite]) expect(pc.signalingState).toBe("stable");
});

test("while an offer is unanswered, a restart waits for the next epoch", async () => {
  const [impolite, polite] = await connected();
  impolite.peer.restart();
  await settle();
  expect(impolite.take("webrtc_offer")).toBeDefined();
  impolite.peer.restart();
  await settle();
  expect(impolite.pc.signalingState).toBe("have-local-offer");
  impolite.peer.close();
  expect(impolite.pc.closed).toBe(true);
  await expect(impolite.peer.onAnswer({ sdp: "answer", tracks: {} })).resolves.toBeUndefined();
  polite.peer.close();
});
