import type { StoreApi } from "zustand/vanilla";
import type { ErrorData } from "../../protocol/messages";
import type { SessionState, Toast } from "../state";

let lastToast = 0;

/** Show a message over the page for a while. */
export function withToast(
  state: SessionState,
  level: Toast["level"],
  { code, message, hint = "" }: ErrorData,
): SessionState {
  // A message that is still on the screen is not shown twice.
  const others = state.toasts.filter((toast) => toast.message !== message);
  const toast = { id: ++lastToast, level, code, message, hint };
  return { ...state, toasts: [...others.slice(-3), toast] };
}

/** Show a toast about something that this page has noticed. */
export function showToast(
  store: StoreApi<SessionState>,
  message: string,
  hint = "",
  level: Toast["level"] = "error",
): void {
  store.setState(withToast(store.getState(), level, { code: "client", message, hint }));
}
