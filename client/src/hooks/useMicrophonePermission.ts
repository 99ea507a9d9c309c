import { useEffect } from "react";
import { useClient } from "./useClient";

/** Open the microphone when it is shown, and again by itself as soon as whatever kept it away
 * (a block in the browser, a missing plug) is gone. */
export function useMicrophonePermission(): void {
  const client = useClient();
  useEffect(() => {
    const { status } = client.state.microphone;
    if (status === "off") void client.openDevice("microphone");
    const controller = new AbortController();
    const retry = () => {
      if (client.state.microphone.status === "problem") void client.openDevice("microphone");
    };
    const media = navigator.mediaDevices as MediaDevices | undefined;
    media?.addEventListener("devicechange", retry, { signal: controller.signal });
    navigator.permissions
      ?.query({ name: "microphone" as PermissionName })
      .then((permission) => {
        if (controller.signal.aborted) return;
        permission.addEventListener("change", () => permission.state === "granted" && retry(), {
          signal: controller.signal,
        });
      })
      // Firefox before 131 does not know this permission; the button remains.
      .catch(() => {});
    return () => controller.abort();
  }, [client]);
}
