import { useClient } from "../../hooks/useClient";
import type { DeviceKind } from "../../rtc/devices";
import type { DeviceProblemKind } from "../../rtc/problems";
import { texts } from "../../texts";
import { Button } from "../ui/Button";

interface DeviceActionsProps {
  kind: DeviceKind;
  problem: DeviceProblemKind;
}

/** What may help where a device did not open. */
export function DeviceActions({ kind, problem }: DeviceActionsProps) {
  const client = useClient();
  return (
    <>
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
    </>
  );
}
