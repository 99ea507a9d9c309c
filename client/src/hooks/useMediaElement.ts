import { type RefObject, useEffect, useRef } from "react";

/** A ref that plays a stream or track in an <audio> or <video> element. */
export function useMediaElement<E extends HTMLMediaElement>(
  media: MediaStream | MediaStreamTrack | null,
  onPlay?: (started: boolean) => void,
): RefObject<E | null> {
  const element = useRef<E>(null);
  useEffect(() => {
    const { current } = element;
    if (!current) return;
    current.srcObject = media instanceof MediaStreamTrack ? new MediaStream([media]) : media;
    if (!media) return;
    current.play().then(
      () => onPlay?.(true),
      (error: unknown) => {
        // AbortError only says that a newer stream took its place.
        if (error instanceof DOMException && error.name === "NotAllowedError") onPlay?.(false);
      },
    );
    return () => {
      current.srcObject = null;
    };
  }, [media, onPlay]);
  return element;
}
