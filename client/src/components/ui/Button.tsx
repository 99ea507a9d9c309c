import type { Ref } from "react";
import {
  Button as AriaButton,
  type ButtonProps as AriaButtonProps,
} from "react-aria-components/Button";

export interface ButtonProps extends AriaButtonProps {
  look?: "primary" | "plain" | "quiet" | "danger";
  ref?: Ref<HTMLButtonElement>;
  /** Whether its work is under way. A press then does nothing, but the focus stays. */
  busy?: boolean;
}

/** React Aria's own `isPending` has itself read aloud by reference, also when it has left the page. */
const BUSY = {
  "aria-disabled": true,
  "data-pending": true,
  onPress: undefined,
  type: "button",
} as const;

export function Button({ look = "plain", className, busy = false, ...props }: ButtonProps) {
  const own = busy ? { ...props, ...BUSY } : props;
  return <AriaButton {...own} className={`button ${look} ${className ?? ""}`} />;
}
