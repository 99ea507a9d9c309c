import { useCallback } from "react";
import { useClient } from "../hooks/useClient";
import { useFirstGesture } from "../hooks/useFirstGesture";
import { useSession } from "../hooks/useSession";
import { EndScreen } from "./door/EndScreen";
import { PrejoinScreen } from "./door/PrejoinScreen";
import { StartScreen } from "./door/StartScreen";
import { WaitingScreen } from "./door/WaitingScreen";
import { Toasts } from "./notices/Toasts";
import { LobbyScreen } from "./stage/LobbyScreen";

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
