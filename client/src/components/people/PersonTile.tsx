import { Crown, Hand, MicOff } from "lucide-react";
import { useClient } from "../../hooks/useClient";
import { useFocusRescue } from "../../hooks/useFocusReturn";
import { useLevel } from "../../hooks/useLevel";
import { useMediaElement } from "../../hooks/useMediaElement";
import { useSession } from "../../hooks/useSession";
import { useStreams } from "../../hooks/useStreams";
import { hueOf } from "../../names";
import type { ParticipantInfo } from "../../protocol/messages";
import { OWN_LEVEL } from "../../session/media/ownMedia";
import { texts } from "../../texts";
import { Avatar } from "../ui/Avatar";
import { Name } from "../ui/Name";
import { ParticipantMenu } from "./ParticipantMenu";

interface PersonTileProps {
  info: ParticipantInfo;
  isSelf: boolean;
}

/** A person: the camera's picture or the initials, and a ring while they speak. */
export function PersonTile({ info, isSelf }: PersonTileProps) {
  const client = useClient();
  const tile = useFocusRescue<HTMLLIElement>();
  const level = useLevel(isSelf ? OWN_LEVEL : info.id);
  const peer = useSession((state) => (isSelf ? undefined : state.peers[info.id]));
  const stream = useStreams().get(info.id) ?? null;
  const ownCamera = useSession((state) => state.camera.status === "on");
  const filmed = isSelf ? ownCamera : (info.camera ?? false) && stream !== null;
  const picture = isSelf ? client.camera : stream;
  const video = useMediaElement<HTMLVideoElement>(filmed ? picture : null);
  const away = info.presence === "reconnecting";
  const connecting = !isSelf && !away && peer !== undefined && peer.state !== "connected";
  const speaking = level.speaking && !info.muted;
  const state = away
    ? "reconnecting"
    : connecting
      ? peer.failure
        ? "failed"
        : "connecting"
      : "present";
  const said = { reconnecting: texts.lobby.reconnecting, connecting: texts.lobby.connecting };
  return (
    <li
      ref={tile}
      className="tile person-tile"
      data-testid={`tile-${info.id}`}
      data-kind="human"
      data-name={info.name}
      data-state={state}
      data-speaking={speaking}
      data-self={isSelf}
      data-role={info.role ?? "guest"}
      data-muted={info.muted ?? false}
      data-video={filmed}
      style={{ "--hue": hueOf(info.id), "--level": level.value }}
    >
      {filmed ? (
        <video ref={video} className={isSelf ? "mirrored" : ""} muted playsInline autoPlay />
      ) : (
        <Avatar id={info.id} name={info.name} />
      )}
      {state !== "present" && (
        <span className="tag tile-state">
          {state === "failed" ? texts.lobby.noAudio : said[state]}
        </span>
      )}
      <div className="tile-caption">
        <strong>
          <Name of={info.name} />
        </strong>
        {info.role === "host" && (
          <Crown className="host-icon" aria-label={texts.moderation.host} role="img" />
        )}
        {isSelf && <span className="tag">{texts.lobby.you}</span>}
        {info.hand_raised && <Hand aria-label={texts.lobby.handRaised} />}
        {info.muted && <MicOff className="muted-icon" aria-label={texts.lobby.muted} />}
      </div>
      {!isSelf && <ParticipantMenu info={info} />}
    </li>
  );
}
