import { RefreshCw, WifiOff } from "lucide-react";
import { useOffline } from "../../hooks/useOffline";
import { useSession } from "../../hooks/useSession";
import { useWaited } from "../../hooks/useWaited";
import { isAway } from "../../session/state";
import { texts } from "../../texts";

/** After this time, the banner also says what to do. */
const NOT_BACK_MS = 60_000;

/** The connection to the server is lost, or the server is about to stop. */
export function ServerBanner() {
  const away = useSession(isAway);
  const silent = useSession((state) => state.silent);
  const offline = useOffline();
  const going = useSession((state) => state.goingAway);
  const heard = useSession((state) =>
    Object.values(state.peers).some((peer) => peer.state === "connected"),
  );
  const long = useWaited(away, NOT_BACK_MS);
  const { lobby } = texts;
  if (away && offline) {
    return (
      <div className="banner warn" role="status" data-testid="offline-banner">
        <WifiOff aria-hidden="true" />
        <p>
          <strong>{lobby.offline}</strong> {lobby.offlineHint}
        </p>
      </div>
    );
  }
  if (away && long) {
    return (
      <div className="banner bad" role="status" data-testid="not-back-banner">
        <WifiOff aria-hidden="true" />
        <p>
          <strong>{lobby.notBack}</strong> {heard && lobby.reconnectHint} {lobby.notBackHint}
        </p>
      </div>
    );
  }
  if (away) {
    return (
      <div className="banner warn" role="status" data-testid="reconnecting-banner">
        {going ? <RefreshCw aria-hidden="true" /> : <WifiOff aria-hidden="true" />}
        <p>
          <strong>{going ? lobby.restarting : silent ? lobby.noAnswer : lobby.reconnect}</strong>{" "}
          {heard && lobby.reconnectHint}
        </p>
      </div>
    );
  }
  if (!going) return null;
  const { returning, returningHint, ending, endingHint } = lobby.goingAway;
  return (
    <div className="banner warn" role="status" data-testid="going-away-banner">
      <RefreshCw aria-hidden="true" />
      <p>
        <strong>{going.returning ? returning : ending}</strong>{" "}
        {going.returning ? returningHint : endingHint}
      </p>
    </div>
  );
}
