/** How a connection runs: the candidate types of the selected pair. */
export interface Route {
  local: string;
  remote: string;
  /** Either end goes through a TURN relay. */
  relay: boolean;
}

export type QualityLevel = "good" | "fair" | "poor";

export interface Quality {
  level: QualityLevel;
  /** Seconds, there and back. */
  roundTrip: number | null;
  /** Share of lost audio packets since the last look, 0 to 1. */
  loss: number;
}

type Stat = Record<string, unknown> & { id: string; type: string };

const all = (report: RTCStatsReport): Stat[] => {
  const stats: Stat[] = [];
  report.forEach((stat: Stat) => {
    stats.push(stat);
  });
  return stats;
};

function selectedPair(stats: Stat[]): Stat | undefined {
  const transport = stats.find((stat) => stat.type === "transport" && stat.selectedCandidatePairId);
  return (
    stats.find((stat) => stat.id === transport?.selectedCandidatePairId) ??
    stats.find(
      (stat) => stat.type === "candidate-pair" && stat.nominated && stat.state === "succeeded",
    )
  );
}

export async function selectedRoute(pc: RTCPeerConnection): Promise<Route | undefined> {
  const stats = all(await pc.getStats());
  const pair = selectedPair(stats);
  const kind = (id: unknown) =>
    String(stats.find((stat) => stat.id === id)?.candidateType ?? "unknown");
  if (!pair) return undefined;
  const local = kind(pair.localCandidateId);
  const remote = kind(pair.remoteCandidateId);
  return { local, remote, relay: local === "relay" || remote === "relay" };
}

/** Reads the quality of a connection; each call looks at what happened since the one before. */
export class QualityProbe {
  #lost = 0;
  #received = 0;

  async read(pc: RTCPeerConnection): Promise<Quality> {
    const stats = all(await pc.getStats());
    const audio = stats.filter((stat) => stat.type === "inbound-rtp" && stat.kind === "audio");
    const sum = (key: string) => audio.reduce((total, stat) => total + Number(stat[key] ?? 0), 0);
    const lost = sum("packetsLost");
    const received = sum("packetsReceived");
    const newLost = Math.max(0, lost - this.#lost);
    const newReceived = Math.max(0, received - this.#received);
    this.#lost = lost;
    this.#received = received;
    const roundTrip = selectedPair(stats)?.currentRoundTripTime;
    return grade(
      typeof roundTrip === "number" ? roundTrip : null,
      newLost + newReceived > 0 ? newLost / (newLost + newReceived) : 0,
    );
  }
}

/** Above 400 ms there and back people talk over each other (ITU-T G.114 calls 400 ms one way the
 * limit, 150 ms good); above 3 % loss Opus' concealment is heard. */
export function grade(roundTrip: number | null, loss: number): Quality {
  const trip = roundTrip ?? 0;
  const level: QualityLevel =
    trip > 0.6 || loss > 0.1 ? "poor" : trip > 0.3 || loss > 0.03 ? "fair" : "good";
  return { level, roundTrip, loss };
}
