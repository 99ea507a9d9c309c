import type { AgentStateData } from "../../protocol/messages";
import { texts } from "../../texts";

/** What an agent is doing, as a word and a small animation. */
export function AgentStatus({ state }: { state: AgentStateData["state"] }) {
  return (
    <span className="agent-status" data-state={state}>
      <span className="motion" aria-hidden="true">
        <i />
        <i />
        <i />
      </span>
      {texts.lobby.states[state]}
    </span>
  );
}
