import { Link2 } from "lucide-react";
import { useClient } from "../hooks/useClient";
import { useSession } from "../hooks/useSession";
import { lobbyUrl } from "../options";
import { texts } from "../texts";
import { Brand } from "./Brand";
import { Button } from "./Button";
import { ConnectionBadge } from "./ConnectionBadge";

export function LobbyHeader() {
  const client = useClient();
  const lobbyId = useSession((state) => state.lobbyId) ?? "";
  const name = useSession((state) => state.lobby?.name) ?? lobbyId;
  const participants = useSession((state) => state.participants);
  const agents = Object.values(participants).filter(({ kind }) => kind === "agent").length;
  const people = Object.keys(participants).length - agents;

  const copy = async () => {
    const link = lobbyUrl(lobbyId, location.href);
    try {
      await navigator.clipboard.writeText(link);
      client.say(texts.lobby.copied, link, "info");
    } catch {
      client.say(texts.lobby.copyFailed, texts.lobby.copyFailedHint(link));
    }
  };

  return (
    <header className="lobby-header">
      <Brand />
      <div className="lobby-title">
        <h1 data-testid="lobby-title">{name}</h1>
        <span className="quiet small">
          {texts.lobby.people(people)} · {texts.lobby.agents(agents)}
        </span>
      </div>
      <ConnectionBadge />
      <Button
        look="quiet"
        className="copy-link"
        onPress={() => void copy()}
        data-testid="copy-link-button"
      >
        <Link2 aria-hidden="true" />
        <span>{texts.lobby.copyLink}</span>
      </Button>
    </header>
  );
}
