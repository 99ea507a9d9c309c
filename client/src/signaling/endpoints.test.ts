import { afterEach, expect, test, vi } from "vitest";
import { destroyLobby, ensureSession, lookUpLobby, Refusal, socketUrl } from "./endpoints";

afterEach(() => vi.unstubAllGlobals());

const BASE = "http://voice.example/room/?lobby=demo";
const answer = (status: number, body: unknown) => {
  const fetched = vi.fn(async (_url: URL) => Response.json(body, { status }));
  vi.stubGlobal("fetch", fetched);
  return fetched;
};

test("asks for a session below the page's own address", async () => {
  const fetched = answer(200, { session: "s-1", version: "0" });
  await ensureSession(BASE);
  expect(String(fetched.mock.calls[0]?.[0])).toBe("http://voice.example/room/api/session");
  expect(socketUrl(BASE)).toBe("ws://voice.example/room/ws");
});

test.each([
  [{ error: { code: "origin", message: "No.", hint: "", retryable: false } }, "origin"],
  ["a proxy's own page", "forbidden"],
])("403 is a refusal that says why: %j", async (body, code) => {
  answer(403, body);
  const error = await ensureSession(BASE).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(Refusal);
  expect((error as Refusal).code).toBe(code);
});

test("a proxy that cannot reach the server yet is not taken for a refusal", async () => {
  answer(502, "bad gateway");
  const error = await ensureSession(BASE).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(Error);
  expect(error).not.toBeInstanceOf(Refusal);
});

test("a request to a server that accepts but never answers times out", async () => {
  const patience = new AbortController();
  vi.spyOn(AbortSignal, "timeout").mockReturnValue(patience.signal);
  const silent = (_url: URL, { signal }: RequestInit) =>
    new Promise((_resolve, reject) => {
      signal?.addEventListener("abort", () => reject(signal.reason));
    });
  vi.stubGlobal("fetch", silent);
  const asked = ensureSession(BASE);
  patience.abort(new DOMException("too long", "TimeoutError"));
  await expect(asked).rejects.toThrow("too long");
});

test("a lobby's name and whether to knock are known before joining", async () => {
  answer(200, { lobby: { id: "tea", name: "Tea" }, knock: true, people: null, agents: null });
  expect(await lookUpLobby("tea", BASE)).toEqual({ id: "tea", name: "Tea", knock: true });
  answer(200, { lobby: { id: "tea", name: "Tea" }, people: 2, agents: 1 });
  expect(await lookUpLobby("tea", BASE)).toEqual({ id: "tea", name: "Tea", knock: false });
});

test("a failure to end a lobby is explained, even if a proxy reports it", async () => {
  answer(204, null);
  expect(await destroyLobby("tea", BASE)).toBeNull();
  const error = { code: "forbidden", message: "No.", hint: "", retryable: false };
  answer(403, { error });
  expect(await destroyLobby("tea", BASE)).toEqual(error);
  answer(502, "bad gateway");
  expect(await destroyLobby("tea", BASE)).toMatchObject({ code: "internal" });
});
