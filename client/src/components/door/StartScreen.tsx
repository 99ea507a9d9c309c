import { type FormEvent, useState } from "react";
import { useClient } from "../../hooks/useClient";
import { lobbyIdOf } from "../../options";
import { texts } from "../../texts";
import { Brand } from "../ui/Brand";
import { Button } from "../ui/Button";
import { Field } from "../ui/Field";
import { CreateLobbyForm } from "./CreateLobbyForm";

/** The page without a lobby, where people create or join one. */
export function StartScreen() {
  const client = useClient();
  const [target, setTarget] = useState("");
  const [bad, setBad] = useState(false);

  const go = (id: string) => {
    history.pushState(null, "", `?lobby=${encodeURIComponent(id)}`);
    client.visit(id);
  };
  const join = (event: FormEvent) => {
    event.preventDefault();
    const id = lobbyIdOf(target);
    setBad(id === null);
    if (id) go(id);
  };

  return (
    <main className="screen centered">
      <div className="start">
        <Brand />
        <h1>{texts.start.title}</h1>
        <p className="quiet">{texts.start.intro}</p>
        <div className="card stack">
          <CreateLobbyForm />
          <div className="divider">{texts.start.or}</div>
          <form className="row-form" onSubmit={join}>
            <Field
              label={texts.start.joinLabel}
              placeholder={texts.start.joinPlaceholder}
              value={target}
              onChange={setTarget}
              error={bad ? texts.start.badLink : ""}
              testId="lobby-link-input"
            />
            <Button type="submit" data-testid="go-button">
              {texts.start.join}
            </Button>
          </form>
        </div>
        <button
          type="button"
          className="demo-link"
          data-testid="demo-button"
          onClick={() => go("demo")}
        >
          <strong>{texts.start.demo}</strong>
          <span>{texts.start.demoHint}</span>
        </button>
      </div>
    </main>
  );
}
