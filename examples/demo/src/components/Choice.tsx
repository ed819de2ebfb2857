/** A choice of one of a few: radio buttons in one bar. */
import { useId } from 'react';

interface ChoiceProps<T extends string> {
  readonly label: string;
  readonly value: T;
  readonly options: readonly {
    readonly value: T;
    readonly text: string;
    readonly badge?: number | undefined;
  }[];
  readonly onChoose: (value: T) => void;
}

export function Choice<T extends string>({ label, value, options, onChoose }: ChoiceProps<T>) {
  const name = useId();
  return (
    <fieldset className="choice">
      <legend className="unseen">{label}</legend>
      {options.map((option) => (
        <label key={option.value}>
          <input
            type="radio"
            name={name}
            checked={option.value === value}
            onChange={() => onChoose(option.value)}
          />
          <span>
            {option.text}
            {option.badge ? (
              <b className="badge">
                {option.badge}
                <span className="unseen"> unread</span>
              </b>
            ) : null}
          </span>
        </label>
      ))}
    </fieldset>
  );
}
