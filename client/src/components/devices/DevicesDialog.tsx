import { Settings2 } from "lucide-react";
import { useRef } from "react";
import { DialogTrigger } from "react-aria-components/Dialog";
import { useSession } from "../../hooks/useSession";
import { texts } from "../../texts";
import { ControlLabel } from "../stage/ControlLabel";
import { Button } from "../ui/Button";
import { Sheet } from "../ui/Sheet";
import { DeviceHelp } from "./DeviceHelp";
import { DeviceSelect } from "./DeviceSelect";
import { MicrophoneChoice } from "./MicrophoneChoice";

/** Change the microphone or the camera while in the lobby. */
export function DevicesDialog() {
  const camera = useSession((state) => state.camera);
  const button = useRef<HTMLButtonElement>(null);
  return (
    <DialogTrigger>
      <Button ref={button} className="control" data-testid="devices-button">
        <Settings2 aria-hidden="true" />
        <ControlLabel long={texts.lobby.devices} short={texts.lobby.devices} />
      </Button>
      <Sheet title={texts.lobby.devices} opener={button}>
        {() => (
          <div className="stack">
            <MicrophoneChoice />
            {camera.problem && <DeviceHelp kind="camera" problem={camera.problem} />}
            {(camera.status === "on" || (camera.problem && camera.choices.length > 0)) && (
              <DeviceSelect kind="camera" />
            )}
          </div>
        )}
      </Sheet>
    </DialogTrigger>
  );
}
