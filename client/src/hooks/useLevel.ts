import { useCallback, useSyncExternalStore } from "react";
import type { Level, Levels } from "../rtc/levels";
import { useClient } from "./useClient";

/** How loud a participant is; `OWN_LEVEL` is our own microphone. */
export function useLevel(id: string): Level {
  return useLevels((levels) => levels.get(id));
}

/** A value derived from the levels. Rerenders only when it changes. */
export function useLevels<T>(read: (levels: Levels) => T): T {
  const { levels } = useClient();
  const subscribe = useCallback((changed: () => void) => levels.subscribe(changed), [levels]);
  return useSyncExternalStore(subscribe, () => read(levels));
}
