import { useSession } from "./useSession";
import { useWaited } from "./useWaited";

/** Shorter waits need no explanation. */
const WONDERING_MS = 2_000;

/** Whether the server has been asked and has not answered for a while. */
export function useNoAnswer(): boolean {
  const asked = useSession(
    ({ socket, silent }) => silent || (socket !== "open" && socket !== "idle"),
  );
  return useWaited(asked, WONDERING_MS);
}
