/** Seconds before each attempt to reconnect; the last one repeats. */
export const BACKOFF_S = [0, 0.3, 1.2, 2.7, 4.8, 7] as const;

/** Milliseconds to wait before `attempt` (0 is the first), spread by ±25 % so that clients of a
 * restarted server do not come back all at once. `random` gives 0 to 1. */
export function backoffMs(attempt: number, random: () => number): number {
  const seconds = BACKOFF_S[Math.min(attempt, BACKOFF_S.length - 1)] ?? 0;
  return Math.round(seconds * 1000 * (0.75 + random() * 0.5));
}
