import { useCallback } from "react";
import { useClient } from "../../hooks/useClient";
import { useMediaElement } from "../../hooks/useMediaElement";

interface VoiceProps {
  participant: string;
  stream: MediaStream;
}

/** Plays the voice of one participant. The captions are on the page, not in the element. */
export function Voice({ participant, stream }: VoiceProps) {
  const client = useClient();
  const onPlay = useCallback((started: boolean) => client.soundBlocked(!started), [client]);
  const audio = useMediaElement<HTMLAudioElement>(stream, onPlay);
  // biome-ignore lint/a11y/useMediaCaption: captions are shown live in the conversation
  return <audio ref={audio} autoPlay data-participant={participant} />;
}
