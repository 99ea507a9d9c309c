import { CircleAlert } from "lucide-react";
import { useEffect } from "react";
import { deviceProblemText } from "../../deviceProblemText";
import { useClient } from "../../hooks/useClient";
import { useSession } from "../../hooks/useSession";
import type { DeviceKind } from "../../rtc/devices";
import type { DeviceProblemKind } from "../../rtc/problems";
import { texts } from "../../texts";
import { DeviceActions } from "./DeviceActions";

interface DeviceHelpProps {
  kind: DeviceKind;
  problem: DeviceProblemKind;
}

/** Why a device cannot be used, and what to do in this browser. */
export function DeviceHelp({ kind, problem }: DeviceHelpProps) {
  const client = useClient();
  const inside = useSession(({ phase }) => phase === "lobby");
  const { title, hint } = deviceProblemText(kind, problem);
  // What was explained here need not be explained again in the lobby.
  useEffect(() => client.problemRead(kind), [client, kind]);
  return (
    <div className="help" role="alert" data-testid={`${kind}-problem`} data-problem={problem}>
      <CircleAlert aria-hidden="true" />
      <div>
        <strong>{title}</strong>
        <p>{hint}</p>
        {kind === "microphone" && (
          <p>{inside ? texts.devices.listening : texts.devices.listenOnly}</p>
        )}
        <div className="help-actions">
          <DeviceActions kind={kind} problem={problem} />
        </div>
      </div>
    </div>
  );
}
