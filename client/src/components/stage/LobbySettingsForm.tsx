import { type FormEvent, useState } from "react";
import { useClient } from "../../hooks/useClient";
import { useSession } from "../../hooks/useSession";
import type { LobbyInfo, LobbyUpdateData } from "../../protocol/messages";
import { readableError } from "../../session/reduce/reduce";
import { isHost, isOwner } from "../../session/state";
import { texts } from "../../texts";
import { DOORS } from "../door/doors";
import { Button } from "../ui/Button";
import { Choice } from "../ui/Choice";
import { Confirm } from "../ui/Confirm";
import { Field } from "../ui/Field";

const MOST_PEOPLE = 10;
const COUNTS = Array.from({ length: MOST_PEOPLE }, (_, index) => index + 1);
const AGENTS_BY = (["everyone", "host"] as const).map((value) => ({
  value,
  label: texts.settings.agentsBy[value],
}));

interface LobbySettingsFormProps {
  lobby: LobbyInfo;
  onDone: () => void;
}

/** What a host may change about the lobby. Only changes are sent. */
export function LobbySettingsForm({ lobby, onDone }: LobbySettingsFormProps) {
  const client = useClient();
  const host = useSession(isHost);
  const owner = useSession(isOwner);
  const { settings = {} } = lobby;
  const door = settings.private ? "private" : "open";
  const [name, setName] = useState(lobby.name);
  const [newDoor, setDoor] = useState<"private" | "open">(door);
  const [locked, setLocked] = useState(settings.locked ?? false);
  const [agentsBy, setAgentsBy] = useState(settings.agents_by ?? "everyone");
  const [people, setPeople] = useState(settings.people ?? MOST_PEOPLE);
  const [tried, setTried] = useState(false);
  const [ending, setEnding] = useState<"no" | "asked" | "busy">("no");
  const words = texts.settings;

  const save = (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (!name.trim()) return;
    const changes: LobbyUpdateData = {};
    if (name.trim() !== lobby.name) changes.name = name.trim();
    if (newDoor !== door) changes.private = newDoor === "private";
    if (agentsBy !== (settings.agents_by ?? "everyone")) changes.agents_by = agentsBy;
    if (people !== (settings.people ?? MOST_PEOPLE)) changes.people = people;
    if (Object.keys(changes).length > 0) client.moderator.update(changes);
    if (locked !== (settings.locked ?? false)) client.moderator.act(locked ? "lock" : "unlock");
    onDone();
  };

  const end = async () => {
    setEnding("busy");
    const failed = await client.moderator.destroy().catch(() => words.notEnded);
    if (!failed) return;
    setEnding("asked");
    const { message, hint } = readableError({ code: "client", ...failed });
    client.showToast(message, hint);
  };

  if (!host) return <p className="quiet">{words.onlyHosts}</p>;
  if (ending !== "no") {
    return (
      <Confirm
        question={words.endSure}
        hint={words.endHint}
        action={ending === "busy" ? words.ending : words.endDo}
        busy={ending === "busy"}
        onBack={() => setEnding("no")}
        onConfirm={() => void end()}
      />
    );
  }
  return (
    <form className="stack" onSubmit={save} noValidate>
      {!owner && <p className="quiet">{words.forNow}</p>}
      <Field
        label={words.name}
        value={name}
        onChange={setName}
        error={tried && !name.trim() ? words.nameNeeded : ""}
        maxLength={60}
        autoComplete="off"
        testId="settings-name"
      />
      <Choice
        label={words.door}
        options={DOORS}
        value={newDoor}
        onChange={setDoor}
        testId="settings-door"
      />
      <label className="check">
        <input
          type="checkbox"
          checked={locked}
          onChange={(event) => setLocked(event.target.checked)}
          data-testid="settings-locked"
        />
        <span>
          {words.locked}
          <span className="quiet small">{words.lockedHint}</span>
        </span>
      </label>
      <Choice
        label={words.agents}
        options={AGENTS_BY}
        value={agentsBy}
        onChange={setAgentsBy}
        testId="settings-agents"
      />
      <label className="field people">
        <span>{words.people}</span>
        <select
          value={people}
          onChange={(event) => setPeople(Number(event.target.value))}
          data-testid="settings-people"
        >
          {COUNTS.map((count) => (
            <option key={count} value={count}>
              {count}
            </option>
          ))}
        </select>
      </label>
      <div className="actions spread">
        <Button type="submit" look="primary" data-testid="settings-save-button">
          {words.save}
        </Button>
        {owner && (
          <Button
            look="quiet"
            className="bad"
            onPress={() => setEnding("asked")}
            data-testid="end-lobby-button"
          >
            {words.end}
          </Button>
        )}
      </div>
    </form>
  );
}
