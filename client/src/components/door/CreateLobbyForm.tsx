import { type FormEvent, useState } from "react";
import { useClient } from "../../hooks/useClient";
import { useSession } from "../../hooks/useSession";
import { slugOf } from "../../options";
import { texts } from "../../texts";
import { Button } from "../ui/Button";
import { Choice } from "../ui/Choice";
import { Field } from "../ui/Field";
import { DOORS } from "./doors";

/** The form for a new lobby: name, door and, optionally, a custom address. */
export function CreateLobbyForm() {
  const client = useClient();
  const socket = useSession((state) => state.socket);
  const creating = useSession((state) => state.creating !== null);
  const error = useSession((state) => state.creatingError);
  const [name, setName] = useState("");
  const [door, setDoor] = useState<"private" | "open">("private");
  const [address, setAddress] = useState("");
  const [more, setMore] = useState(false);
  const [tried, setTried] = useState(false);
  const [taken, setTaken] = useState("");
  const words = texts.start;
  const slug = slugOf(address);
  const bad = tried && address.trim() !== "" && slug === null;
  const isTaken = error !== null && address === taken;

  const create = (event: FormEvent) => {
    event.preventDefault();
    if (creating) return;
    setTried(true);
    setTaken(address);
    if (address.trim() && slug === null) {
      setMore(true);
      return;
    }
    client.createLobby({
      name: name.trim() || words.createPlaceholder,
      ...(slug ? { slug } : {}),
      settings: { private: door === "private" },
    });
  };

  return (
    <form className="stack" onSubmit={create} noValidate>
      <div className="row-form">
        <Field
          label={words.createLabel}
          placeholder={words.createPlaceholder}
          value={name}
          onChange={setName}
          maxLength={60}
          testId="lobby-name-input"
        />
        <Button type="submit" look="primary" busy={creating} data-testid="create-lobby-button">
          {creating ? words.creating : words.create}
        </Button>
      </div>
      <Choice
        label={words.doorLabel}
        options={DOORS}
        value={door}
        onChange={setDoor}
        testId="door-choice"
      />
      <details
        className="more"
        open={more || bad || isTaken}
        onToggle={(event) => setMore(event.currentTarget.open)}
      >
        <summary data-testid="more-button">{words.more}</summary>
        <Field
          label={words.slugLabel}
          placeholder={words.slugPlaceholder}
          value={address}
          onChange={setAddress}
          error={bad ? words.badSlug : isTaken ? `${error.message} ${error.hint ?? ""}` : ""}
          maxLength={40}
          autoComplete="off"
          testId="slug-input"
        />
        <p className="quiet small">{words.slugHint}</p>
      </details>
      {creating && socket !== "open" && (
        <p className="quiet small" role="status">
          {texts.prejoin.waiting}
        </p>
      )}
    </form>
  );
}
