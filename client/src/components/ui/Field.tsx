import { FieldError } from "react-aria-components/FieldError";
import { Input } from "react-aria-components/Input";
import { Label } from "react-aria-components/Label";
import { TextField } from "react-aria-components/TextField";

interface FieldProps {
  label: string;
  value: string;
  onChange: (value: string) => void;
  placeholder?: string;
  error?: string;
  maxLength?: number;
  autoFocus?: boolean;
  autoComplete?: string;
  testId: string;
}

/** A labelled line of text with its error. */
export function Field({ label, error = "", placeholder, testId, ...props }: FieldProps) {
  return (
    <TextField {...props} className="field" isInvalid={error !== ""} validationBehavior="aria">
      <Label>{label}</Label>
      <Input data-testid={testId} {...(placeholder ? { placeholder } : {})} />
      <FieldError>{error}</FieldError>
    </TextField>
  );
}
