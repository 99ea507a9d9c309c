/** Seconds before each attempt to reconnect; the last one repeats. Close to each other at first, so
 * that a server that is started again is found about half a second after it is there. */
export const BACKOFF_S = [0, 0.3, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 1, 2, 3, 5, 7] as const;

/** Milliseconds to wait before `attempt` (0 is the first), spread by ±25 % so that clients of a
 * restarted server do not come back all at once. `random` gives 0 to 1. */
export function backoffMs(attempt: number, random: () => number): number {
  const seconds = BACKOFF_S[Math.min(attempt, BACKOFF_S.length - 1)] ?? 0;
  return Math.round(seconds * 1000 * (0.75 + random() * 0.5));
}
