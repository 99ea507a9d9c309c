import { MicOff } from "lucide-react";
import { useClient } from "../../hooks/useClient";
import { useSession } from "../../hooks/useSession";
import { texts } from "../../texts";
import { Button } from "../ui/Button";

/** A host's request to mute, which we may ignore. */
export function MuteRequest() {
  const client = useClient();
  const by = useSession((state) => state.muteAsked);
  if (by === null) return null;
  return (
    <div className="banner" role="alert" data-testid="mute-request">
      <MicOff aria-hidden="true" />
      <p>{texts.moderation.asksYou(by)}</p>
      <Button look="primary" onPress={() => client.setMuted(true)} data-testid="mute-now-button">
        {texts.lobby.mute}
      </Button>
      <Button look="quiet" onPress={() => client.stayUnmuted()} data-testid="stay-unmuted-button">
        {texts.moderation.notNow}
      </Button>
    </div>
  );
}
