import type { LobbyUpdateData, ModerationData } from "../../protocol/messages";
import { destroyLobby } from "../../signaling/endpoints";
import type { Outgoing } from "../../signaling/signaling";
import type { Asked } from "../state";

export interface ModeratorOptions {
  /** The current lobby, if any. */
  lobby: () => string | null;
  ask: (message: Outgoing, what: Asked) => void;
  destroy?: typeof destroyLobby;
}

/** What hosts do with a lobby and the people in it. The server checks the rights. */
export class Moderator {
  readonly #options: ModeratorOptions;

  constructor(options: ModeratorOptions) {
    this.#options = options;
  }

  /** Ask a person to mute, take them out, make them host, let them in, or report them. */
  act(action: ModerationData["action"], participant: string | null = null, reason = ""): void {
    const lobby = this.#options.lobby();
    if (!lobby) return;
    const data = { action, participant_id: participant, ...(reason ? { reason } : {}) };
    this.#options.ask({ type: "moderation", lobby, data }, action);
  }

  update(data: LobbyUpdateData): void {
    const lobby = this.#options.lobby();
    if (lobby) this.#options.ask({ type: "lobby_update", lobby, data }, "lobby_update");
  }

  muteAgent(participant_id: string, muted: boolean): void {
    const lobby = this.#options.lobby();
    if (!lobby) return;
    const data = { participant_id, muted };
    this.#options.ask({ type: "agent_update", lobby, data }, "agent_update");
  }

  removeAgent(participant_id: string): void {
    const lobby = this.#options.lobby();
    if (!lobby) return;
    this.#options.ask({ type: "agent_remove", lobby, data: { participant_id } }, "agent_remove");
  }

  /** End the lobby for everyone. Resolves to what went wrong, or to null; lobby_destroyed follows. */
  async destroy(): ReturnType<typeof destroyLobby> {
    const lobby = this.#options.lobby();
    const { destroy = destroyLobby } = this.#options;
    return lobby ? destroy(lobby) : null;
  }
}
