import { useId } from "react";
import { useClient } from "../../hooks/useClient";
import { useSession } from "../../hooks/useSession";
import type { DeviceKind } from "../../rtc/devices";
import { texts } from "../../texts";

/** Which microphone or camera; the system's own list, which phones show best. */
export function DeviceSelect({ kind }: { kind: DeviceKind }) {
  const client = useClient();
  const { deviceId, choices, status } = useSession((state) => state[kind]);
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{texts.prejoin[kind]}</label>
      <select
        id={id}
        value={deviceId}
        disabled={status === "asking" || choices.length === 0}
        data-testid={`${kind}-select`}
        onChange={(event) => void client.openDevice(kind, event.target.value)}
      >
        {!choices.some((choice) => choice.id === deviceId) && (
          <option value={deviceId}>{texts.devices.default}</option>
        )}
        {choices.map((choice) => (
          <option key={choice.id} value={choice.id}>
            {choice.label}
          </option>
        ))}
      </select>
    </div>
  );
}
