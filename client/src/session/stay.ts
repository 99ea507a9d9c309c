import type { SessionState, TimelineEntry } from "./state";

/** What a tab remembers of its stay in a lobby, so that a reload leads back into it. */
export interface Stay {
  lobby: string;
  name: string;
  muted: boolean;
  microphone: boolean;
  camera: boolean;
}

const STAY = "voicebot.stay";
const SAID = "voicebot.said";
/** Lines of the conversation that survive a reload. */
const SAID_LIMIT = 200;

/** The stay this tab was in when the page went away, if it was in this lobby. */
export function recallStay(lobby: string | null): Stay | null {
  const stay = read(STAY) as Partial<Stay> | null;
  if (!stay || !lobby || stay.lobby !== lobby || typeof stay.name !== "string") return null;
  const { name, muted = false, microphone = false, camera = false } = stay;
  return { lobby, name, muted, microphone, camera };
}

/** What was said until the page went away, to be shown again. */
export function recallSaid(): readonly TimelineEntry[] {
  const said = read(SAID);
  return Array.isArray(said) ? (said as TimelineEntry[]) : [];
}

/** The part of the state that is remembered, as text; null outside of a lobby. */
export function stayOf(state: SessionState): string | null {
  const { phase, lobbyId, name, muted, microphone, camera } = state;
  if (phase !== "lobby" || !lobbyId) return null;
  const used = ({ status }: { status: string }) => status === "on" || status === "asking";
  const stay: Stay = {
    lobby: lobbyId,
    name,
    muted,
    microphone: used(microphone),
    camera: used(camera),
  };
  return JSON.stringify(stay);
}

export function rememberStay(stay: string): void {
  write(STAY, stay);
}

/** Interim captions are not kept: the server says them again, or they were never finished. */
export function rememberSaid(timeline: readonly TimelineEntry[]): void {
  const kept = timeline.filter((entry) => entry.kind !== "caption" || entry.final);
  write(SAID, JSON.stringify(kept.slice(-SAID_LIMIT)));
}

export function forgetStay(): void {
  try {
    sessionStorage.removeItem(STAY);
    sessionStorage.removeItem(SAID);
  } catch {
    // Then nothing was kept either.
  }
}

function read(key: string): unknown {
  try {
    return JSON.parse(sessionStorage.getItem(key) ?? "null");
  } catch {
    return null;
  }
}

function write(key: string, text: string): void {
  try {
    sessionStorage.setItem(key, text);
  } catch {
    // Full or forbidden: a reload then leads to the door.
  }
}
