import { X } from "lucide-react";
import { useClient } from "../hooks/useClient";
import { useFocusRescue } from "../hooks/useFocusReturn";
import { useLevel } from "../hooks/useLevel";
import { hueOf } from "../names";
import type { ParticipantInfo } from "../protocol/messages";
import { texts } from "../texts";
import { AgentStatus } from "./AgentStatus";
import { Avatar } from "./Avatar";
import { Button } from "./Button";

/** An agent: portrait, name, what it is doing, and what people must know of it. */
export function AgentTile({ info }: { info: ParticipantInfo }) {
  const client = useClient();
  const level = useLevel(info.id);
  const tile = useFocusRescue<HTMLLIElement>();
  const state = info.state ?? "idle";
  const speaking = state === "speaking" || level.speaking;
  return (
    <li
      ref={tile}
      className="tile"
      data-testid={`tile-${info.id}`}
      data-kind="agent"
      data-name={info.name}
      data-state={state}
      data-speaking={speaking}
      style={{ "--hue": hueOf(info.id), "--level": level.value }}
    >
      <AgentStatus state={state} />
      <Avatar id={info.id} name={info.name} portrait={info.portrait ?? ""} />
      <div className="tile-caption">
        <strong title={info.character}>{info.name}</strong>
      </div>
      {info.character && <p className="character quiet small">{info.character}</p>}
      {info.notice && (
        <p className="notice small" title={info.notice} data-testid={`notice-${info.id}`}>
          {info.notice}
        </p>
      )}
      <Button
        look="quiet"
        className="icon tile-remove"
        aria-label={texts.lobby.removeAgent(info.name)}
        onPress={() => client.removeAgent(info.id)}
        data-testid={`remove-${info.id}`}
      >
        <X aria-hidden="true" />
      </Button>
    </li>
  );
}
