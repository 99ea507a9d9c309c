import { type RefObject, useEffect, useLayoutEffect, useRef } from "react";

/** The control that adds an agent. It is always there in a lobby. */
export const ADD_AGENT = "add-agent";
/** The start of the lobby, for when that control is missing. */
export const STAGE = "stage";

/** The control that turns a device on and off. */
export const controlId = (device: "microphone" | "camera") => `${device}-control`;

/** When the caller goes from the page, whoever works with the keyboard finds the focus again: on
 * the button that opened it. The one in an empty lobby's tile goes with the first agent's coming;
 * then it is the control that does the same. */
export function useFocusReturn(opener: RefObject<HTMLElement | null>): void {
  useEffect(() => {
    const button = opener.current;
    return () => restore(button);
  }, [opener]);
}

/** For an element that may go from the page with the focus in it: the element with the id `heir`
 * has it then, or else the control that adds agents. */
export function useFocusRescue<E extends HTMLElement>(heir = ADD_AGENT): RefObject<E | null> {
  const element = useRef<E>(null);
  // A layout effect, because its cleanup runs while the element is still on the page.
  useLayoutEffect(() => {
    const { current } = element;
    return () => {
      if (current?.contains(document.activeElement)) restore(document.getElementById(heir));
    };
  }, [heir]);
  return element;
}

function restore(wanted: HTMLElement | null): void {
  // Later, when the rest of the page can take the focus again.
  setTimeout(() => {
    const { activeElement, body } = document;
    if (activeElement !== null && activeElement !== body && activeElement.isConnected) return;
    const lasting = document.getElementById(ADD_AGENT) ?? document.getElementById(STAGE);
    const target = wanted?.isConnected ? wanted : lasting;
    target?.focus();
  });
}
