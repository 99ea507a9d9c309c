import { useCallback, useSyncExternalStore } from "react";
import { useClient } from "./useClient";

/** What is received from each participant. */
export function useStreams(): ReadonlyMap<string, MediaStream> {
  const { connections } = useClient();
  const subscribe = useCallback(
    (changed: () => void) => connections.onStreams(changed),
    [connections],
  );
  return useSyncExternalStore(subscribe, () => connections.streams);
}
