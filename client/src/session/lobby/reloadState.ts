import type { StoreApi } from "zustand/vanilla";
import type { DeviceKind } from "../../rtc/devices";
import {
  initialState,
  type PendingChat,
  type Phase,
  type SessionState,
  type TimelineEntry,
} from "../state";
import { UNCERTAIN } from "./chat";

/** What a tab remembers of the lobby it is in, so that a reload leads back into it. */
export interface ReloadState {
  lobby: string;
  name: string;
  muted: boolean;
  microphone: boolean;
  camera: boolean;
}

/** The key is older than the name: a page of an earlier version may have written it. */
const STATE = "voicebot.stay";
const SAID = "voicebot.said";
const UNSENT = "voicebot.unsent";
/** Lines of the conversation that survive a reload. */
const SAID_LIMIT = 200;
/** How long to wait for the devices before joining; slower ones are opened afterwards. */
const DEVICES_MS = 2_000;
/** Phases without a lobby to come back to. */
const OVER = new Set<Phase>(["left", "gone", "full", "expired", "refused", "elsewhere"]);

/** What a page shows first: the start page, a lobby's door, or the way back to where it was. */
export function firstState(lobby: string | null, suggested: string): SessionState {
  const state = initialState(lobby, suggested);
  const remembered = recallReloadState(lobby);
  if (!remembered) return state;
  const { name, muted } = remembered;
  return {
    ...state,
    phase: "returning",
    name,
    muted,
    timeline: recallSaid(),
    pendingChat: recallUnsent(),
  };
}

/** Open what was open, as long as that does not take long. */
export async function reopen(
  before: ReloadState,
  open: (kind: DeviceKind) => Promise<void>,
): Promise<void> {
  const kinds = (["microphone", "camera"] as const).filter((kind) => before[kind]);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, DEVICES_MS);
  });
  await Promise.race([Promise.all(kinds.map(open)), late]);
  clearTimeout(timer);
}

/** Keeps the reload state up to date until the lobby is left or the page goes away. */
export class ReloadStateKeeper {
  readonly #store: StoreApi<SessionState>;
  readonly #stop: () => void;
  #written = "";

  constructor(store: StoreApi<SessionState>) {
    this.#store = store;
    this.#stop = store.subscribe((state) => this.#changed(state));
  }

  /** The page goes away. Nothing is remembered from now on. */
  keep(): void {
    this.#stop();
    const { phase, timeline, pendingChat } = this.#store.getState();
    if (phase !== "lobby") return;
    rememberSaid(timeline);
    write(UNSENT, JSON.stringify(pendingChat));
  }

  #changed(state: SessionState): void {
    const text = reloadStateOf(state);
    if (text !== null && text !== this.#written) write(STATE, text);
    else if (text === null && OVER.has(state.phase)) forgetReloadState();
    this.#written = text ?? "";
  }
}

/** What this tab remembered when the page went away, if it was in this lobby. */
export function recallReloadState(lobby: string | null): ReloadState | null {
  const found = read(STATE) as Partial<ReloadState> | null;
  if (!found || !lobby || found.lobby !== lobby || typeof found.name !== "string") return null;
  const { name, muted = false, microphone = false, camera = false } = found;
  return { lobby, name, muted, microphone, camera };
}

/** What was said until the page went away, to be shown again. */
function recallSaid(): readonly TimelineEntry[] {
  const said = read(SAID);
  return Array.isArray(said) ? (said as TimelineEntry[]) : [];
}

/** What we had written and the server had not confirmed. */
function recallUnsent(): readonly PendingChat[] {
  const unsent = read(UNSENT);
  if (!Array.isArray(unsent)) return [];
  return (unsent as PendingChat[]).map((line) => ({ ...line, error: line.error ?? UNCERTAIN }));
}

/** The part of the state that is remembered, as text; null outside of a lobby. */
function reloadStateOf(state: SessionState): string | null {
  const { phase, lobbyId, name, muted, microphone, camera } = state;
  if (phase !== "lobby" || !lobbyId) return null;
  const used = ({ status }: { status: string }) => status === "on" || status === "asking";
  const remembered: ReloadState = {
    lobby: lobbyId,
    name,
    muted,
    microphone: used(microphone),
    camera: used(camera),
  };
  return JSON.stringify(remembered);
}

/** Interim captions are not kept: the server says them again, or they were never finished. */
function rememberSaid(timeline: readonly TimelineEntry[]): void {
  const kept = timeline.filter((entry) => entry.kind !== "caption" || entry.final);
  write(SAID, JSON.stringify(kept.slice(-SAID_LIMIT)));
}

export function forgetReloadState(): void {
  try {
    sessionStorage.removeItem(STATE);
    sessionStorage.removeItem(SAID);
    sessionStorage.removeItem(UNSENT);
  } catch {
    // If storage is forbidden, nothing was kept either.
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
    // Storage is full or forbidden, so a reload leads to the door.
  }
}
