import { texts } from "../texts";
import { AddAgentDialog } from "./AddAgentDialog";

/** Says what to do in a lobby without agents. */
export function NoAgent() {
  return (
    <li className="tile empty-tile">
      <strong>{texts.lobby.alone}</strong>
      <span className="quiet small">{texts.lobby.aloneHint}</span>
      <AddAgentDialog testId="add-first-agent-button" look="primary" />
    </li>
  );
}
