/** The choices of a part of a question, one of which is chosen. */

import type { Choice } from "../quiz_types.ts";
import { choiceId } from "./keys.ts";

export interface ChoicesProps {
  legend: string;
  name: string;
  choices: Choice[];
  chosen: string | null;
  /** The right choice, where the reader is told: then nothing can be chosen any more. */
  truth: string | null | undefined;
  /** The key of the first choice. */
  first: number;
  choose: (id: string) => void;
}

export function Choices({ legend, name, choices, chosen, truth, first, choose }: ChoicesProps) {
  const told = truth !== undefined;
  return (
    <fieldset>
      <legend>{legend}</legend>
      <div class="choices">
        {choices.map(({ id, label }, i) => (
          <label key={id} class={told && id === truth ? "choice true" : "choice"}>
            <input
              type="radio"
              id={choiceId(first + i)}
              name={name}
              value={id}
              checked={id === chosen}
              disabled={told}
              onChange={() => choose(id)}
            />
            <span>{label}</span>
            {first + i <= 9 && !told && <kbd aria-hidden="true">{first + i}</kbd>}
            {told && id === truth && <span class="holds">✓ right</span>}
            {told && id === chosen && id !== truth && <span class="fails">your choice</span>}
          </label>
        ))}
      </div>
    </fieldset>
  );
}
