import { useSyncExternalStore } from "react";

function subscribe(changed: () => void): () => void {
  const controller = new AbortController();
  for (const event of ["online", "offline"]) {
    window.addEventListener(event, changed, { signal: controller.signal });
  }
  return () => controller.abort();
}

/** Whether the browser has no network. A server on this machine may still answer. */
export function useOffline(): boolean {
  return useSyncExternalStore(subscribe, () => !navigator.onLine);
}
