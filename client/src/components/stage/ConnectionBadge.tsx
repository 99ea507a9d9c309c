import { useMemo } from "react";
import { useOffline } from "../../hooks/useOffline";
import { useSession } from "../../hooks/useSession";
import { overview } from "../../session/media/overview";
import { texts } from "../../texts";

/** The state of all connections in a word: whether, over what kind of path and how well they work. */
export function ConnectionBadge() {
  const peers = useSession((state) => state.peers);
  const socket = useSession((state) => state.socket);
  const silent = useSession((state) => state.silent);
  const offline = useOffline();
  const { state, relay, quality, roundTrip, loss } = useMemo(
    () => overview({ peers, socket, silent }),
    [peers, socket, silent],
  );
  const { connection } = texts;
  const connected = state === "connected";
  const words = [
    connected && quality && quality !== "good"
      ? connection.quality[quality]
      : connection[state === "reconnecting" && offline ? "offline" : state],
    connected && relay ? connection.relay : "",
  ].filter(Boolean);
  return (
    <span
      className="badge connection"
      role="status"
      data-testid="connection-badge"
      data-state={state}
      data-relay={relay}
      data-quality={quality ?? ""}
      title={quality ? connection.details(roundTrip, loss) : undefined}
    >
      <span className="bars" aria-hidden="true">
        <i />
        <i />
        <i />
      </span>
      <span className="words">{words.join(" · ")}</span>
    </span>
  );
}
