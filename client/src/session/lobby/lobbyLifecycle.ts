import type { StoreApi } from "zustand/vanilla";
import type { SessionEstablishedData } from "../../protocol/messages";
import { type lookUpLobby, Refusal } from "../../signaling/endpoints";
import type { Signaling, SocketChange } from "../../signaling/signaling";
import { texts } from "../../texts";
import type { OwnMedia } from "../media/ownMedia";
import type { Peers } from "../media/peers";
import { ENTERING, entering, notAdded, outside } from "../reduce/reduce";
import type { SessionState } from "../state";
import type { IceRefresh } from "./iceRefresh";
import { remember } from "./memory";
import { forgetReloadState, ReloadStateKeeper, recallReloadState, reopen } from "./reloadState";
import type { TabLock } from "./tabLock";

/** The page before a reload lets go of the lock at once; another tab does not. */
const OTHER_TAB_MS = 1_000;

export interface LobbyLifecycleParts {
  store: StoreApi<SessionState>;
  signaling: Signaling;
  media: OwnMedia;
  peers: Peers;
  iceRefresh: IceRefresh;
  tabLock: Pick<TabLock, "claim" | "release">;
  lookUp: typeof lookUpLobby;
}

/** Coming to a lobby, leaving it, and coming back after a reload or a lost connection. */
export class LobbyLifecycle {
  readonly #parts: LobbyLifecycleParts;
  readonly #store: StoreApi<SessionState>;
  readonly #signaling: Signaling;
  readonly #reloadState: ReloadStateKeeper;
  /** The devices are open, or will take longer: a reloaded page may join again. */
  #returns = false;

  constructor(parts: LobbyLifecycleParts) {
    this.#parts = parts;
    this.#store = parts.store;
    this.#signaling = parts.signaling;
    this.#signaling.onSocketState((change) => this.#socketChanged(change));
    this.#signaling.onSilence((silent) => this.#store.setState({ silent }));
    this.#reloadState = new ReloadStateKeeper(parts.store);
  }

  get #state(): SessionState {
    return this.#store.getState();
  }

  /** What a page does when it has been loaded: go back to where it was, or show the door. */
  async start(): Promise<void> {
    if (this.#state.phase === "returning") await this.#comeBack();
    else await this.peek();
  }

  /** Learn the lobby's name before joining, as far as the server tells it. */
  async peek(): Promise<void> {
    const id = this.#state.lobbyId;
    if (!id || this.#state.lobby) return;
    const found = await this.#parts
      .lookUp(id)
      .catch((error: unknown) => (error instanceof Refusal ? error : null));
    if (this.#state.lobbyId !== id || this.#state.phase !== "prejoin") return;
    if (found instanceof Refusal) {
      this.#refused(found);
      return;
    }
    if (found === "missing") {
      this.end();
      this.#store.setState({ phase: "gone", reason: "missing" });
    } else if (found && !this.#state.lobby) {
      const { name, knock } = found;
      this.#store.setState({ lobby: { id, name, host_peer: null }, knock });
    }
  }

  visit(lobbyId: string | null): void {
    this.#store.setState(entering(this.#state, lobbyId), true);
    void this.peek();
  }

  join(name: string): void {
    const { lobbyId, lobby, phase } = this.#state;
    if (!lobbyId || phase === "lobby" || ENTERING.has(phase)) return;
    remember("name", name);
    void this.#parts.tabLock.claim();
    this.#store.setState({ ...entering(this.#state, lobbyId), lobby, name, phase: "joining" });
    if (this.#signaling.state === "open") this.#sendJoin();
    // Otherwise the join goes out as soon as the session is there.
    else this.#signaling.connect();
  }

  leave(): void {
    const { lobbyId } = this.#state;
    if (lobbyId) this.#signaling.send({ type: "leave_lobby", lobby: lobbyId, data: {} });
    this.finish("left");
  }

  /** Stop waiting to be let in, or to come back. */
  turnAround(): void {
    const { lobbyId, phase } = this.#state;
    if (phase === "waiting" && lobbyId) {
      this.#signaling.send({ type: "leave_lobby", lobby: lobbyId, data: {} });
    }
    this.#toTheDoor();
  }

  /** The page goes away. The server keeps the seat for a moment, so that a reload comes back. */
  unload(): void {
    this.#reloadState.keep();
    this.end();
  }

  /** Release everything. The state stays as it is. */
  end(): void {
    const { iceRefresh, media, peers, tabLock } = this.#parts;
    iceRefresh.stop();
    peers.closeAll();
    this.#signaling.close();
    tabLock.release();
    media.release();
  }

  /** We are no longer in the lobby. */
  finish(phase: "left" | "expired" | "elsewhere"): void {
    this.end();
    this.#store.setState(outside(this.#state, phase));
  }

  /** The session is established. */
  established(data: SessionEstablishedData): void {
    this.#joinAgain(this.#hasSeat(data));
  }

  /** The server no longer has what we missed, nor our place in the lobby. */
  forgotten(): void {
    this.#joinAgain(false);
  }

  #joinAgain(resumed: boolean): void {
    const { phase, adding } = this.#state;
    const { iceRefresh, peers } = this.#parts;
    // The server may treat the request as a repetition, and never answer it.
    if (!resumed && adding) {
      this.#store.setState(notAdded(this.#state, { code: "client", ...texts.addAgent.lost }));
    }
    if (phase === "joining" || phase === "waiting") {
      this.#sendJoin();
    } else if (phase === "returning") {
      if (!resumed) this.#toTheDoor();
      else if (this.#returns) this.#sendJoin();
    } else if (phase === "lobby") {
      // The server has forgotten us, so join again. The old connections are closed once we have joined.
      if (!resumed) this.#sendJoin();
      else peers.repeat();
      iceRefresh.check();
    }
  }

  /** Whether the session still has the seat that this page is in, or comes back to. */
  #hasSeat({ resumed, lobby, participant_id }: SessionEstablishedData): boolean {
    const { lobbyId, self } = this.#state;
    const elsewhere = lobby != null && lobby !== lobbyId;
    const another = self !== null && participant_id != null && participant_id !== self;
    return (resumed ?? false) && !elsewhere && !another;
  }

  /** Back to where this tab was before it was loaded again. */
  async #comeBack(): Promise<void> {
    const { media, tabLock } = this.#parts;
    const before = recallReloadState(this.#state.lobbyId);
    if (!(await tabLock.claim(OTHER_TAB_MS))) {
      // This is a duplicate of a live tab, which keeps the lock until a person decides.
      this.#toTheDoor();
      return;
    }
    if (this.#state.phase !== "returning") return;
    this.#signaling.connect();
    if (before) await reopen(before, (kind) => media.open(kind));
    this.#returns = true;
    if (this.#state.phase === "returning" && this.#signaling.state === "open") this.#sendJoin();
  }

  /** Show the page before joining. Open devices stay open for it. */
  #toTheDoor(): void {
    forgetReloadState();
    this.#parts.tabLock.release();
    this.#signaling.close();
    this.#store.setState({ ...outside(this.#state, "prejoin"), timeline: [] });
    void this.peek();
  }

  #sendJoin(): void {
    const { lobbyId, name } = this.#state;
    if (!lobbyId) return;
    const data = { name, ...this.#parts.media.announce() };
    this.#signaling.send({ type: "join_lobby", lobby: lobbyId, data });
  }

  #socketChanged({ state, reason, refusal }: SocketChange): void {
    const again = this.#state.socket === "reconnecting" && state === "open";
    // A lobby may have been created although its answer never reached us.
    this.#store.setState(again ? { socket: state, creating: null } : { socket: state });
    if (reason === "expired" || reason === "elsewhere") this.finish(reason);
    else if (reason === "refused") this.#refused(refusal);
  }

  #refused(refusal: Refusal | undefined): void {
    this.end();
    this.#store.setState({ ...outside(this.#state, "refused"), reason: refusal?.code ?? "" });
  }
}
