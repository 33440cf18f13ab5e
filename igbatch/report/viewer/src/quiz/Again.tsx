/** The pictures of a question that was answered, folded until they are asked for. */

import { useState } from "preact/hooks";

import { Pictures } from "./Pictures.tsx";
import type { PlacedQuestion } from "./run.ts";

export function Again({ placed }: { placed: PlacedQuestion }) {
  const [opened, setOpened] = useState(false); // those of all questions at once are slow to decode
  return (
    <details onToggle={(event) => setOpened(event.currentTarget.open)}>
      <summary>Show the maps again</summary>
      {opened && (
        <>
          <p class="hint">{placed.question.hint}</p>
          <Pictures placed={placed} />
        </>
      )}
    </details>
  );
}
