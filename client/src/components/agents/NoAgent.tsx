import { useSession } from "../../hooks/useSession";
import { mayChangeAgents } from "../../session/state";
import { texts } from "../../texts";
import { AddAgentDialog } from "./AddAgentDialog";

/** Says what to do in a lobby without agents. */
export function NoAgent() {
  const may = useSession(mayChangeAgents);
  return (
    <li className="tile empty-tile">
      <strong>{texts.lobby.alone}</strong>
      <span className="quiet small">{may ? texts.lobby.aloneHint : texts.lobby.aloneGuest}</span>
      {may && <AddAgentDialog testId="add-first-agent-button" look="primary" />}
    </li>
  );
}
