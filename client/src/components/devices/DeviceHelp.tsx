import { CircleAlert } from "lucide-react";
import { deviceWords } from "../../deviceWords";
import { useClient } from "../../hooks/useClient";
import type { DeviceKind } from "../../rtc/devices";
import type { DeviceProblemKind } from "../../rtc/problems";
import { texts } from "../../texts";
import { Button } from "../ui/Button";

interface DeviceHelpProps {
  kind: DeviceKind;
  problem: DeviceProblemKind;
}

/** Why a device cannot be used, and what to do in this browser. */
export function DeviceHelp({ kind, problem }: DeviceHelpProps) {
  const client = useClient();
  const { title, hint } = deviceWords(kind, problem);
  return (
    <div className="help" role="alert" data-testid={`${kind}-problem`} data-problem={problem}>
      <CircleAlert aria-hidden="true" />
      <div>
        <strong>{title}</strong>
        <p>{hint}</p>
        {kind === "microphone" && <p>{texts.devices.listenOnly}</p>}
        <div className="help-actions">
          {problem !== "insecure" && problem !== "unsupported" && (
            <Button look="quiet" onPress={() => void client.openDevice(kind)}>
              {texts.prejoin.tryAgain}
            </Button>
          )}
          {problem === "blocked-by-frame" && (
            <a className="button quiet" href={location.href} target="_blank" rel="noreferrer">
              {texts.devices.openTab}
            </a>
          )}
        </div>
      </div>
    </div>
  );
}
