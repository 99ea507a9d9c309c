import { useStreams } from "../../hooks/useStreams";
import { Voice } from "./Voice";

/** One audio element for everyone who is received. */
export function Voices() {
  const streams = useStreams();
  return (
    <>
      {[...streams].map(([id, stream]) => (
        <Voice key={id} participant={id} stream={stream} />
      ))}
    </>
  );
}
