/** One question: its pictures, its choices, and what is true of it where the reader is told. */

import { useEffect, useLayoutEffect, useRef } from "preact/hooks";

import { decodeAhead } from "./ahead.ts";
import { Choices } from "./Choices.tsx";
import { onKey } from "./keys.ts";
import { Pictures } from "./Pictures.tsx";
import { isChosen, orderOf, type Part, type PlacedQuestion, placeOf, type Run, tells } from "./run.ts";
import { choicesOf } from "./shown.ts";
import type { Sitting } from "./sitting.ts";
import { Told } from "./Told.tsx";
import { afterPractice, progressWords } from "./words.ts";

export function Ask({ sitting, run, placed }: { sitting: Sitting; run: Run; placed: PlacedQuestion }) {
  const { page } = sitting;
  const { question } = placed;
  const place = placeOf(run);
  const heading = useRef<HTMLHeadingElement>(null);
  useLayoutEffect(() => {
    scrollTo(0, 0);
    heading.current!.focus({ preventScroll: true });
  }, [question.id]);
  useEffect(() => {
    sitting.shown();
    decodeAhead(orderOf(page, run), place);
  }, [question.id]);
  useEffect(() => {
    const listener = (event: KeyboardEvent): void => onKey(event, () => sitting.next());
    document.addEventListener("keydown", listener);
    return () => document.removeEventListener("keydown", listener);
  }, []);
  const given = run.told ? run.answers.at(-1)! : null;
  const part = (name: Part, legend: string, first: number) => (
    <Choices
      legend={legend}
      name={`${question.id}-${name}`}
      choices={choicesOf(placed, name)}
      chosen={given ? given[name] : run.draft[name]}
      truth={given ? question.truth![name] : undefined}
      first={first}
      choose={(id) => sitting.choose(name, id)}
    />
  );
  const last = place + 1 === page.questions.length;
  return (
    <>
      <article key={question.id}>
        <h2 ref={heading} tabIndex={-1}>
          {question.text}
        </h2>
        {question.hint && <p class="hint">{question.hint}</p>}
        <Pictures placed={placed} />
        {part("choice", "Your answer", 1)}
        {question.second_choices.length > 0 &&
          part("second", question.second_text, 1 + question.choices.length)}
        {given && <Told placed={placed} answer={given} after={afterPractice(page, run)} />}
      </article>
      <div class="next">
        <p class="progress" aria-live="polite">
          {progressWords(page, run)}
        </p>
        <progress aria-hidden="true" value={run.answers.length} max={page.questions.length} />
        <button
          type="button"
          class="main"
          disabled={!given && !isChosen(question, run.draft)}
          onClick={() => sitting.next()}
        >
          {!given && tells(page, question) ? "Answer" : last ? "Finish" : "Next"}
        </button>
      </div>
    </>
  );
}
