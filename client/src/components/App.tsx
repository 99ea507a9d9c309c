import { useCallback } from "react";
import { useClient } from "../hooks/useClient";
import { useFirstGesture } from "../hooks/useFirstGesture";
import { useSession } from "../hooks/useSession";
import { EndScreen } from "./EndScreen";
import { LobbyScreen } from "./LobbyScreen";
import { PrejoinScreen } from "./PrejoinScreen";
import { StartScreen } from "./StartScreen";
import { Toasts } from "./Toasts";
import { WaitingScreen } from "./WaitingScreen";

export function App() {
  const phase = useSession((state) => state.phase);
  const { levels } = useClient();
  useFirstGesture(useCallback(() => levels.resume(), [levels]));
  return (
    <>
      {phase === "start" ? (
        <StartScreen />
      ) : phase === "prejoin" || phase === "joining" ? (
        <PrejoinScreen />
      ) : phase === "waiting" || phase === "returning" ? (
        <WaitingScreen phase={phase} />
      ) : phase === "lobby" ? (
        <LobbyScreen />
      ) : (
        <EndScreen phase={phase} />
      )}
      <Toasts />
    </>
  );
}
