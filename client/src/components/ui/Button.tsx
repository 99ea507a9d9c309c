import type { Ref } from "react";
import {
  Button as AriaButton,
  type ButtonProps as AriaButtonProps,
} from "react-aria-components/Button";

export interface ButtonProps extends AriaButtonProps {
  look?: "primary" | "plain" | "quiet" | "danger";
  ref?: Ref<HTMLButtonElement>;
}

export function Button({ look = "plain", className, ...props }: ButtonProps) {
  return <AriaButton {...props} className={`button ${look} ${className ?? ""}`} />;
}
