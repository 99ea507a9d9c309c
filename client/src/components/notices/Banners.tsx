import { Volume2 } from "lucide-react";
import { useSession } from "../../hooks/useSession";
import { texts } from "../../texts";
import { DeviceBanner } from "./DeviceBanner";
import { FailedBanner } from "./FailedBanner";
import { HearButton } from "./HearButton";
import { KnockList } from "./KnockList";
import { MuteRequest } from "./MuteRequest";
import { ServerBanner } from "./ServerBanner";

/** Problems of the lobby, and requests of other people. */
export function Banners() {
  const blocked = useSession((state) => state.soundBlocked);
  const peers = useSession((state) => state.peers);
  const failed = Object.entries(peers).filter(([, peer]) => peer.failure);
  return (
    <div className="banners">
      <ServerBanner />
      <DeviceBanner kind="microphone" />
      <DeviceBanner kind="camera" />
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
      <MuteRequest />
      <KnockList />
    </div>
  );
}
