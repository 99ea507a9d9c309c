import { useId } from "react";

interface ChoiceProps<T extends string> {
  label: string;
  options: readonly { value: T; label: string; hint?: string }[];
  value: T;
  onChange: (value: T) => void;
  testId: string;
}

/** A choice among a few options, all of which are visible. */
export function Choice<T extends string>({
  label,
  options,
  value,
  onChange,
  testId,
}: ChoiceProps<T>) {
  const name = useId();
  return (
    <fieldset className="choice" data-testid={testId} data-value={value}>
      <legend>{label}</legend>
      {options.map((option) => (
        <label key={option.value}>
          <input
            type="radio"
            name={name}
            value={option.value}
            checked={option.value === value}
            onChange={() => onChange(option.value)}
            data-testid={`${testId}-${option.value}`}
          />
          <span>
            {option.label}
            {option.hint && <span className="quiet small">{option.hint}</span>}
          </span>
        </label>
      ))}
    </fieldset>
  );
}
