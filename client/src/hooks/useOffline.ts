import { useSyncExternalStore } from "react";

function subscribe(changed: () => void): () => void {
  const controller = new AbortController();
  for (const event of ["online", "offline"]) {
    window.addEventListener(event, changed, { signal: controller.signal });
  }
  return () => controller.abort();
}

/** Whether the browser knows of no network; a server on this machine may answer all the same. */
export function useOffline(): boolean {
  return useSyncExternalStore(subscribe, () => !navigator.onLine);
}
