import { CircleAlert } from "lucide-react";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { useClient } from "../../hooks/useClient";
import { useSession } from "../../hooks/useSession";
import { texts } from "../../texts";
import { Button } from "../ui/Button";
import { Field } from "../ui/Field";

/** The form that makes an agent from one line. It shows the progress, or why it failed. */
export function AddAgentForm({ onDone }: { onDone: () => void }) {
  const client = useClient();
  const adding = useSession((state) => state.adding);
  const error = useSession((state) => state.addingError);
  const [description, setDescription] = useState(adding?.description ?? "");
  const waiting = useRef(adding !== null);

  useEffect(() => {
    client.showAdding(true);
    return () => client.showAdding(false);
  }, [client]);

  useEffect(() => {
    // The agent is no longer being made and was not refused, so it is here.
    if (waiting.current && !adding && !error) onDone();
    waiting.current = adding !== null;
  }, [adding, error, onDone]);

  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (description.trim() && !adding) client.addAgent(description.trim());
  };

  return (
    <form className="stack" onSubmit={submit}>
      <p className="quiet">{texts.addAgent.intro}</p>
      <Field
        label={texts.addAgent.label}
        placeholder={texts.addAgent.placeholder}
        value={description}
        onChange={setDescription}
        maxLength={2000}
        autoFocus
        autoComplete="off"
        testId="agent-description"
      />
      <fieldset className="examples" aria-label={texts.addAgent.exampleLabel}>
        {texts.addAgent.examples.map((example) => (
          <button key={example} type="button" onClick={() => setDescription(example)}>
            {example}
          </button>
        ))}
      </fieldset>
      {error && (
        <div className="help" role="alert" data-testid="agent-error">
          <CircleAlert aria-hidden="true" />
          <div>
            <strong>{error.message}</strong>
            {error.hint && <p>{error.hint}</p>}
          </div>
        </div>
      )}
      {adding && (
        <div className="progress" role="status" data-testid="agent-progress">
          <span className="progress-bar" aria-hidden="true" />
          {texts.addAgent.adding}
        </div>
      )}
      <div className="actions">
        <Button
          type="submit"
          look="primary"
          busy={adding !== null}
          isDisabled={!description.trim()}
          data-testid="agent-submit-button"
        >
          {texts.addAgent.add}
        </Button>
        <Button look="quiet" onPress={onDone}>
          {adding ? texts.close : texts.addAgent.cancel}
        </Button>
      </div>
    </form>
  );
}
