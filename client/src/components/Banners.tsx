import { Volume2, WifiOff } from "lucide-react";
import { useSession } from "../hooks/useSession";
import { texts } from "../texts";
import { FailedBanner } from "./FailedBanner";
import { HearButton } from "./HearButton";

/** What keeps the lobby from working as it should, above everything else. */
export function Banners() {
  const link = useSession((state) => state.link);
  const blocked = useSession((state) => state.soundBlocked);
  const peers = useSession((state) => state.peers);
  const failed = Object.entries(peers).filter(([, peer]) => peer.failure);
  const heard = Object.values(peers).some(({ state }) => state === "connected");
  return (
    <div className="banners">
      {link !== "open" && (
        <div className="banner warn" role="status" data-testid="reconnecting-banner">
          <WifiOff aria-hidden="true" />
          <p>
            <strong>{texts.lobby.reconnect}</strong> {heard && texts.lobby.reconnectHint}
          </p>
        </div>
      )}
      {failed.map(
        ([id, { failure }]) => failure && <FailedBanner key={id} peer={id} failure={failure} />,
      )}
      {blocked && (
        <div className="banner" role="status">
          <Volume2 aria-hidden="true" />
          <p>{texts.lobby.hearHint}</p>
          <HearButton />
        </div>
      )}
    </div>
  );
}
