import type { QualityLevel } from "../../rtc/route";
import type { SessionState } from "../state";

/** All connections of this browser in one word, for the badge. */
export interface Overview {
  state: "none" | "connecting" | "connected" | "failed" | "reconnecting";
  relay: boolean;
  quality: QualityLevel | null;
  /** The longest round trip of all connections, in seconds. */
  roundTrip: number | null;
  /** Largest share of lost packets. */
  loss: number;
}

const RANK: Record<QualityLevel, number> = { good: 0, fair: 1, poor: 2 };

export function overview({
  peers,
  socket,
  silent,
}: Pick<SessionState, "peers" | "socket" | "silent">): Overview {
  const all = Object.values(peers);
  const result: Overview = {
    state: "none",
    relay: all.some((peer) => peer.route?.relay),
    quality: null,
    roundTrip: null,
    loss: 0,
  };
  for (const { quality } of all) {
    if (!quality) continue;
    if (result.quality === null || RANK[quality.level] > RANK[result.quality]) {
      result.quality = quality.level;
    }
    result.roundTrip = Math.max(result.roundTrip ?? 0, quality.roundTrip ?? 0);
    result.loss = Math.max(result.loss, quality.loss);
  }
  if (socket === "reconnecting" || silent) result.state = "reconnecting";
  else if (all.some((peer) => peer.failure)) result.state = "failed";
  else if (all.some((peer) => peer.state !== "connected")) result.state = "connecting";
  else if (all.length > 0) result.state = "connected";
  return result;
}
