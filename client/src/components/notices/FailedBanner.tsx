import { PhoneOff } from "lucide-react";
import { useClient } from "../../hooks/useClient";
import { useSession } from "../../hooks/useSession";
import type { WebrtcFailedData } from "../../protocol/messages";
import { readableError } from "../../session/reduce/reduce";
import { texts } from "../../texts";
import { Button } from "../ui/Button";

/** No path for audio to one peer was found. */
export function FailedBanner({ peer, failure }: { peer: string; failure: WebrtcFailedData }) {
  const client = useClient();
  const name = useSession((state) => state.participants[peer]?.name);
  const help: Record<string, string> = texts.lobby.failures;
  return (
    <div className="banner bad" role="alert" data-testid="failed-banner" data-peer={peer}>
      <PhoneOff aria-hidden="true" />
      <p>
        <strong>{name ? texts.lobby.failed(name) : texts.lobby.failedHost}.</strong>{" "}
        {readableError(failure).message} {help[failure.code]} {texts.lobby.stillCaptions}
      </p>
      {failure.retryable ? (
        <Button onPress={() => client.retry(peer)} data-testid="retry-button">
          {texts.lobby.retry}
        </Button>
      ) : (
        <Button onPress={() => location.reload()} data-testid="reload-button">
          {texts.end.reload}
        </Button>
      )}
    </div>
  );
}
