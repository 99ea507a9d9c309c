import { useCallback, useSyncExternalStore } from "react";
import type { Level } from "../rtc/levels";
import { useClient } from "./useClient";

/** How loud a participant is; `OWN_LEVEL` is our own microphone. */
export function useLevel(id: string): Level {
  const { levels } = useClient();
  const subscribe = useCallback((changed: () => void) => levels.subscribe(changed), [levels]);
  return useSyncExternalStore(subscribe, () => levels.get(id));
}
