import { VolumeX } from "lucide-react";
import { useFocusRescue } from "../../hooks/useFocusReturn";
import { useLevel } from "../../hooks/useLevel";
import { hueOf } from "../../names";
import type { ParticipantInfo } from "../../protocol/messages";
import { texts } from "../../texts";
import { ParticipantMenu } from "../people/ParticipantMenu";
import { Avatar } from "../ui/Avatar";
import { Name } from "../ui/Name";
import { AgentStatus } from "./AgentStatus";

/** An agent: portrait, name, what it is doing, and what people must know of it. */
export function AgentTile({ info }: { info: ParticipantInfo }) {
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
      data-muted={info.muted ?? false}
      style={{ "--hue": hueOf(info.id), "--level": level.value }}
    >
      <AgentStatus state={state} />
      <Avatar id={info.id} name={info.name} portrait={info.portrait ?? ""} />
      <div className="tile-caption">
        <strong title={info.character}>
          <Name of={info.name} />
        </strong>
        {info.muted && (
          <VolumeX className="muted-icon" aria-label={texts.lobby.agentMuted} role="img" />
        )}
      </div>
      {info.character && <p className="character quiet small">{info.character}</p>}
      {info.notice && (
        <p className="notice small" title={info.notice} data-testid={`notice-${info.id}`}>
          {info.notice}
        </p>
      )}
      <ParticipantMenu info={info} />
    </li>
  );
}
