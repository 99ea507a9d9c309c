import { useEffect } from "react";

/** Call back at the first touch or key, after which browsers let a page play sound. */
export function useFirstGesture(act: () => void): void {
  useEffect(() => {
    const controller = new AbortController();
    const once = () => {
      controller.abort();
      act();
    };
    for (const event of ["pointerdown", "keydown"]) {
      window.addEventListener(event, once, { signal: controller.signal });
    }
    return () => controller.abort();
  }, [act]);
}
