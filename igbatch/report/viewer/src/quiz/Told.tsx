/** What is true of a question that was answered. */

import { useEffect, useRef } from "preact/hooks";

import type { Answer } from "../quiz_types.ts";
import type { PlacedQuestion } from "./run.ts";
import { verdicts } from "./words.ts";

export function Told({ placed, answer, after }: { placed: PlacedQuestion; answer: Answer; after: string }) {
  const box = useRef<HTMLElement>(null);
  useEffect(() => {
    box.current!.focus({ preventScroll: true }); // a screen reader reads it out
    box.current!.scrollIntoView({ block: "nearest" });
  }, []);
  return (
    <section ref={box} class="told" tabIndex={-1} aria-label="What is true">
      <Truth placed={placed} answer={answer} />
      {after && <p class="after">{after}</p>}
    </section>
  );
}

export function Truth({ placed, answer }: { placed: PlacedQuestion; answer: Answer }) {
  return (
    <>
      {verdicts(placed, answer).map(({ right, words }) => (
        <p key={words} class={right ? "holds" : "fails"}>
          {words}
        </p>
      ))}
      {placed.question.truth?.words && <p>{placed.question.truth.words}</p>}
    </>
  );
}
