import { type FormEvent, useState } from "react";
import { useClient } from "../hooks/useClient";
import { useSession } from "../hooks/useSession";
import { lobbyIdOf } from "../options";
import { texts } from "../texts";
import { Brand } from "./Brand";
import { Button } from "./Button";
import { Field } from "./Field";

/** Where one arrives without a lobby: create one, or join one. */
export function StartScreen() {
  const client = useClient();
  const link = useSession((state) => state.link);
  const [name, setName] = useState("");
  const [target, setTarget] = useState("");
  const [bad, setBad] = useState(false);
  const creating = useSession((state) => state.creating !== null);

  const go = (id: string) => {
    history.pushState(null, "", `?lobby=${encodeURIComponent(id)}`);
    client.visit(id);
  };
  const create = (event: FormEvent) => {
    event.preventDefault();
    client.createLobby(name.trim() || texts.start.createPlaceholder);
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
          <form className="row-form" onSubmit={create}>
            <Field
              label={texts.start.createLabel}
              placeholder={texts.start.createPlaceholder}
              value={name}
              onChange={setName}
              maxLength={60}
              testId="lobby-name-input"
            />
            <Button
              type="submit"
              look="primary"
              isDisabled={creating}
              data-testid="create-lobby-button"
            >
              {creating ? texts.start.creating : texts.start.create}
            </Button>
          </form>
          {creating && link !== "open" && (
            <p className="quiet small" role="status">
              {texts.prejoin.waiting}
            </p>
          )}
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
