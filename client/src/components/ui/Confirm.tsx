import { texts } from "../../texts";
import { Button } from "./Button";

interface ConfirmProps {
  question: string;
  hint: string;
  action: string;
  busy?: boolean;
  onBack: () => void;
  onConfirm: () => void;
}

/** Asks once more before something that others notice. */
export function Confirm({ question, hint, action, busy = false, onBack, onConfirm }: ConfirmProps) {
  return (
    <fieldset className="stack">
      <legend>{question}</legend>
      <p className="quiet">{hint}</p>
      <div className="actions">
        <Button look="danger" busy={busy} onPress={onConfirm} data-testid="confirm-button">
          {action}
        </Button>
        <Button look="quiet" autoFocus onPress={onBack}>
          {texts.moderation.back}
        </Button>
      </div>
    </fieldset>
  );
}
