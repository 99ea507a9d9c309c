import { useClient } from "../../hooks/useClient";
import { texts } from "../../texts";
import { Button } from "../ui/Button";

/** Start every voice that the browser refused to play without a click. */
export function HearButton() {
  const client = useClient();
  const hear = () => {
    client.levels.resume();
    const voices = [...document.querySelectorAll<HTMLAudioElement>("audio[data-participant]")];
    Promise.all(voices.map((voice) => voice.play())).then(
      () => client.soundBlocked(false),
      () => client.soundBlocked(true),
    );
  };
  return (
    <Button look="primary" onPress={hear} data-testid="hear-button">
      {texts.lobby.hear}
    </Button>
  );
}
