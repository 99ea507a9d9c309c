import {
  Button as AriaButton,
  type ButtonProps as AriaButtonProps,
} from "react-aria-components/Button";

export interface ButtonProps extends AriaButtonProps {
  look?: "primary" | "plain" | "quiet" | "danger";
}

export function Button({ look = "plain", className, ...props }: ButtonProps) {
  return <AriaButton {...props} className={`button ${look} ${className ?? ""}`} />;
}
