import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { settle } from "../../testing/settle";
import { Seat } from "./seat";

/** The browser's locks, as far as they are used: exclusive, first come first served. */
class FakeLocks {
  readonly #queues = new Map<string, Promise<unknown>>();

  request(
    name: string,
    { signal }: { signal: AbortSignal },
    held: () => Promise<void>,
  ): Promise<void> {
    const before = this.#queues.get(name) ?? Promise.resolve();
    const turn = before.then(() => (signal.aborted ? undefined : held()));
    this.#queues.set(name, turn);
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
    });
    return Promise.race([turn, aborted]);
  }
}

beforeEach(() => {
  vi.useFakeTimers();
  Object.defineProperty(navigator, "locks", { value: new FakeLocks(), configurable: true });
});

afterEach(() => {
  vi.useRealTimers();
  Reflect.deleteProperty(navigator, "locks");
});

test("one tab has the seat until it lets go", async () => {
  const [first, second] = [new Seat(), new Seat()];
  expect(await first.claim()).toBe(true);
  const claimed = second.claim(1_000);
  await vi.advanceTimersByTimeAsync(999);
  first.release();
  expect(await claimed).toBe(true);
});

test("who waits no longer can ask again later", async () => {
  const [first, second] = [new Seat(), new Seat()];
  await first.claim();
  const claimed = second.claim(1_000);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(await claimed).toBe(false);
  const again = second.claim();
  first.release();
  expect(await again).toBe(true);
});

test("a wish that was given up holds nothing when its turn comes", async () => {
  const [first, second, third] = [new Seat(), new Seat(), new Seat()];
  await first.claim();
  void second.claim();
  second.release();
  first.release();
  await settle();
  expect(await third.claim(1_000)).toBe(true);
});

test("another server's page below another path is another seat", async () => {
  await new Seat("https://example.org/a/").claim();
  expect(await new Seat("https://example.org/b/?lobby=demo").claim(0)).toBe(true);
});

test("where a browser has no locks every tab is the only one", async () => {
  Reflect.deleteProperty(navigator, "locks");
  expect(await new Seat().claim()).toBe(true);
  expect(await new Seat().claim(1_000)).toBe(true);
});
