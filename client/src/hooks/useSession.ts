import { useStore } from "zustand";
import type { SessionState } from "../session/state";
import { useClient } from "./useClient";

/** A part of the session's state. Rerenders only when that part changes. */
export function useSession<T>(select: (state: SessionState) => T): T {
  return useStore(useClient().store, select);
}
