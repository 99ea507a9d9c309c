import type { StoreApi } from "zustand/vanilla";
import type { DeviceKind } from "../../rtc/devices";
import { initialState, type Phase, type SessionState, type TimelineEntry } from "../state";

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
/** A device that was in use opens in this time, or it is opened after one is back. */
const DEVICES_MS = 2_000;
/** Here the stay is over, whatever the reason. */
const OVER = new Set<Phase>(["left", "gone", "full", "expired", "refused", "elsewhere"]);

/** What a page shows first: the start page, a lobby's door, or the way back to where it was. */
export function atFirst(lobby: string | null, suggested: string): SessionState {
  const state = initialState(lobby, suggested);
  const stay = recallStay(lobby);
  if (!stay) return state;
  const { name, muted } = stay;
  return { ...state, phase: "returning", name, muted, timeline: recallSaid() };
}

/** Open what was open, as long as that does not take long. */
export async function reopen(stay: Stay, open: (kind: DeviceKind) => Promise<void>): Promise<void> {
  const kinds = (["microphone", "camera"] as const).filter((kind) => stay[kind]);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, DEVICES_MS);
  });
  await Promise.race([Promise.all(kinds.map(open)), late]);
  clearTimeout(timer);
}

/** Remembers the stay as it changes, until it is over or the page goes away. */
export class StayKeeper {
  readonly #store: StoreApi<SessionState>;
  readonly #stop: () => void;
  #written = "";

  constructor(store: StoreApi<SessionState>) {
    this.#store = store;
    this.#stop = store.subscribe((state) => this.#changed(state));
  }

  /** The page goes away: what happens to the state from now on is no part of the stay. */
  keep(): void {
    this.#stop();
    const { phase, timeline } = this.#store.getState();
    if (phase === "lobby") rememberSaid(timeline);
  }

  #changed(state: SessionState): void {
    const stay = stayOf(state);
    if (stay !== null && stay !== this.#written) write(STAY, stay);
    else if (stay === null && OVER.has(state.phase)) forgetStay();
    this.#written = stay ?? "";
  }
}

/** The stay this tab was in when the page went away, if it was in this lobby. */
export function recallStay(lobby: string | null): Stay | null {
  const stay = read(STAY) as Partial<Stay> | null;
  if (!stay || !lobby || stay.lobby !== lobby || typeof stay.name !== "string") return null;
  const { name, muted = false, microphone = false, camera = false } = stay;
  return { lobby, name, muted, microphone, camera };
}

/** What was said until the page went away, to be shown again. */
function recallSaid(): readonly TimelineEntry[] {
  const said = read(SAID);
  return Array.isArray(said) ? (said as TimelineEntry[]) : [];
}

/** The part of the state that is remembered, as text; null outside of a lobby. */
function stayOf(state: SessionState): string | null {
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

/** Interim captions are not kept: the server says them again, or they were never finished. */
function rememberSaid(timeline: readonly TimelineEntry[]): void {
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
