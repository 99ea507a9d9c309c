import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { settle } from "../../testing/settle";
import { TabLock } from "./tabLock";

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

test("one tab holds the lock until it releases it", async () => {
  const [first, second] = [new TabLock(), new TabLock()];
  expect(await first.claim()).toBe(true);
  const claimed = second.claim(1_000);
  await vi.advanceTimersByTimeAsync(999);
  first.release();
  expect(await claimed).toBe(true);
});

test("a tab that stopped waiting can ask again later", async () => {
  const [first, second] = [new TabLock(), new TabLock()];
  await first.claim();
  const claimed = second.claim(1_000);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(await claimed).toBe(false);
  const again = second.claim();
  first.release();
  expect(await again).toBe(true);
});

test("an abandoned request does not take the lock when its turn comes", async () => {
  const [first, second, third] = [new TabLock(), new TabLock(), new TabLock()];
  await first.claim();
  void second.claim();
  second.release();
  first.release();
  await settle();
  expect(await third.claim(1_000)).toBe(true);
});

test("a server's page under another path has a lock of its own", async () => {
  await new TabLock("https://example.org/a/").claim();
  expect(await new TabLock("https://example.org/b/?lobby=demo").claim(0)).toBe(true);
});

test("in a browser without locks, every tab counts as the only one", async () => {
  Reflect.deleteProperty(navigator, "locks");
  expect(await new TabLock().claim()).toBe(true);
  expect(await new TabLock().claim(1_000)).toBe(true);
});
