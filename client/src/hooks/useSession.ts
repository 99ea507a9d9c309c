import { useStore } from "zustand";
import type { SessionState } from "../session/state";
import { useClient } from "./useClient";

/** A part of the session's state; draws anew only when that part has changed. */
export function useSession<T>(select: (state: SessionState) => T): T {
  return useStore(useClient().store, select);
}
