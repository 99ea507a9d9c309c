import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { IceRefresh } from "./iceRefresh";

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

test("asks once, when four fifths of the time have passed", () => {
  const ask = vi.fn();
  new IceRefresh(ask).expiresIn(600);
  vi.advanceTimersByTime(479_999);
  expect(ask).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(ask).toHaveBeenCalledOnce();
  vi.advanceTimersByTime(3_600_000);
  expect(ask).toHaveBeenCalledOnce();
});

test("a computer that slept asks as soon as it looks at the clock", () => {
  const ask = vi.fn();
  const refresh = new IceRefresh(ask);
  refresh.expiresIn(600);
  // Asleep, the clock goes on and the timers do not.
  vi.setSystemTime(Date.now() + 3_600_000);
  refresh.check();
  expect(ask).toHaveBeenCalledOnce();
  refresh.expiresIn(600);
  vi.setSystemTime(Date.now() + 3_600_000);
  vi.advanceTimersByTime(30_000);
  expect(ask).toHaveBeenCalledTimes(2);
  expect(vi.getTimerCount()).toBe(0);
});

test("credentials that do not expire are not renewed", () => {
  const ask = vi.fn();
  const refresh = new IceRefresh(ask);
  refresh.expiresIn(600);
  refresh.expiresIn(null);
  refresh.check();
  vi.advanceTimersByTime(3_600_000);
  expect(ask).not.toHaveBeenCalled();
});
