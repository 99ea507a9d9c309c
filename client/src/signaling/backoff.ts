/** Seconds before each attempt to reconnect; the last one repeats. The first ones are 0, 0.3, 1.2,
 * 2.7 and 4.8 s after the loss: a server that is started again is found soon after it is there. */
export const BACKOFF_S = [0, 0.3, 0.9, 1.5, 2.1, 3, 5, 7] as const;

/** Milliseconds to wait before `attempt` (0 is the first), spread by ±25 % so that clients of a
 * restarted server do not come back all at once. `random` gives 0 to 1. */
export function backoffMs(attempt: number, random: () => number): number {
  const seconds = BACKOFF_S[Math.min(attempt, BACKOFF_S.length - 1)] ?? 0;
  return Math.round(seconds * 1000 * (0.75 + random() * 0.5));
}
