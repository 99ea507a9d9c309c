import { DoorClosed, Link2, Lock } from "lucide-react";
import { useClient } from "../../hooks/useClient";
import { useSession } from "../../hooks/useSession";
import { lobbyUrl } from "../../options";
import { isHost } from "../../session/state";
import { texts } from "../../texts";
import { Brand } from "../ui/Brand";
import { Button } from "../ui/Button";
import { Name } from "../ui/Name";
import { ConnectionBadge } from "./ConnectionBadge";
import { LobbySettingsDialog } from "./LobbySettingsDialog";

export function LobbyHeader() {
  const client = useClient();
  const lobbyId = useSession((state) => state.lobbyId) ?? "";
  const name = useSession((state) => state.lobby?.name) ?? lobbyId;
  const settings = useSession((state) => state.lobby?.settings);
  const host = useSession(isHost);
  const participants = useSession((state) => state.participants);
  const agents = Object.values(participants).filter(({ kind }) => kind === "agent").length;
  const people = Object.keys(participants).length - agents;

  const copy = async () => {
    const link = lobbyUrl(lobbyId, location.href);
    try {
      await navigator.clipboard.writeText(link);
      client.showToast(texts.lobby.copied, link, "info");
    } catch {
      client.showToast(texts.lobby.copyFailed, texts.lobby.copyFailedHint(link));
    }
  };

  return (
    <header className="lobby-header">
      <Brand />
      <div className="lobby-title">
        <h1 data-testid="lobby-title">
          <Name of={name} />
        </h1>
        <span className="quiet small">
          {settings?.locked ? (
            <Lock aria-label={texts.settings.isLocked} role="img" />
          ) : (
            settings?.private && <DoorClosed aria-label={texts.settings.isPrivate} role="img" />
          )}
          {texts.lobby.people(people)} · {texts.lobby.agents(agents)}
        </span>
      </div>
      <ConnectionBadge />
      {host && <LobbySettingsDialog />}
      <Button
        look="quiet"
        className="header-button"
        onPress={() => void copy()}
        data-testid="copy-link-button"
      >
        <Link2 aria-hidden="true" />
        <span>{texts.lobby.copyLink}</span>
      </Button>
    </header>
  );
}
