import { type RefObject, useEffect } from "react";

/** The control that adds an agent; it is there as long as the lobby is. */
export const ADD_AGENT = "add-agent";

/** When the caller goes from the page, whoever works with the keyboard finds the focus again: on
 * the button that opened it. The one in an empty lobby's tile goes with the first agent's coming;
 * then it is the control that does the same. */
export function useFocusReturn(opener: RefObject<HTMLElement | null>): void {
  useEffect(() => {
    const button = opener.current;
    return () => {
      // Later, when the rest of the page can have the focus again.
      setTimeout(() => {
        const { activeElement, body } = document;
        if (activeElement !== null && activeElement !== body && activeElement.isConnected) return;
        const target = button?.isConnected ? button : document.getElementById(ADD_AGENT);
        target?.focus();
      });
    };
  }, [opener]);
}
