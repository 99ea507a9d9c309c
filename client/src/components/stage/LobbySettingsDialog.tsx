import { Settings } from "lucide-react";
import { useRef } from "react";
import { DialogTrigger } from "react-aria-components/Dialog";
import { useSession } from "../../hooks/useSession";
import { texts } from "../../texts";
import { Button } from "../ui/Button";
import { Sheet } from "../ui/Sheet";
import { LobbySettingsForm } from "./LobbySettingsForm";

/** For hosts: the button that opens the lobby's settings. */
export function LobbySettingsDialog() {
  const lobby = useSession((state) => state.lobby);
  const button = useRef<HTMLButtonElement>(null);
  if (!lobby) return null;
  return (
    <DialogTrigger>
      <Button ref={button} look="quiet" className="header-button" data-testid="settings-button">
        <Settings aria-hidden="true" />
        <span>{texts.settings.open}</span>
      </Button>
      <Sheet title={texts.settings.title} opener={button}>
        {(close) => <LobbySettingsForm lobby={lobby} onDone={close} />}
      </Sheet>
    </DialogTrigger>
  );
}
