import { useClient } from "../../hooks/useClient";
import { useSession } from "../../hooks/useSession";
import { useWaited } from "../../hooks/useWaited";
import { isAway, type PendingChat } from "../../session/state";
import { texts } from "../../texts";
import { Button } from "../ui/Button";

/** Most messages have arrived within this time, so nothing is shown before. */
const USUAL_MS = 1_000;

/** A chat message of ours that waits, or could not be sent. */
export function PendingRow({ line: { id, text, error } }: { line: PendingChat }) {
  const { chat } = useClient();
  const away = useSession(isAway);
  const slow = useWaited(true, USUAL_MS);
  const { captions } = texts;
  return (
    <li
      className="row chat pending"
      data-testid="pending-row"
      data-state={error ? "failed" : "waiting"}
    >
      <p dir="auto">{text}</p>
      {error ? (
        <div className="pending-actions">
          <span className="small bad" role="alert">
            {captions.notSent} {error.message} {error.hint}
          </span>
          <Button look="quiet" onPress={() => chat.sendAgain(id)} data-testid="send-again-button">
            {captions.sendAgain}
          </Button>
          <Button look="quiet" onPress={() => chat.discard(id)} data-testid="discard-button">
            {captions.discard}
          </Button>
        </div>
      ) : (
        <span className="quiet small" role="status">
          {away ? captions.waiting : slow ? captions.sending : ""}
        </span>
      )}
    </li>
  );
}
