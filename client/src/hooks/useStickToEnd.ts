import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";

const NEAR_PX = 48;

interface StickToEnd<E> {
  list: RefObject<E | null>;
  /** The person has scrolled back. */
  away: boolean;
  toEnd: () => void;
}

/** Keep a growing list scrolled to its end, unless the person has scrolled back. */
export function useStickToEnd<E extends HTMLElement>(...content: unknown[]): StickToEnd<E> {
  const list = useRef<E>(null);
  const sticks = useRef(true);
  const [away, setAway] = useState(false);

  useEffect(() => {
    const { current } = list;
    if (!current) return;
    const scrolled = () => {
      const left = current.scrollHeight - current.scrollTop - current.clientHeight;
      sticks.current = left < NEAR_PX;
      setAway(!sticks.current);
    };
    current.addEventListener("scroll", scrolled, { passive: true });
    return () => current.removeEventListener("scroll", scrolled);
  }, []);

  const toEnd = useCallback(() => {
    const { current } = list;
    if (current) current.scrollTop = current.scrollHeight;
  }, []);

  // The list grows with its content.
  useLayoutEffect(() => {
    if (sticks.current) toEnd();
  }, [...content, toEnd]);

  return { list, away, toEnd };
}
