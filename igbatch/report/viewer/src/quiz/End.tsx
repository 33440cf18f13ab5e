/** After the last question: the file of answers, and what is true where the reader is told at the end. */

import { useLayoutEffect, useRef } from "preact/hooks";

import { count } from "../format.ts";
import type { QuizPage } from "../quiz_types.ts";
import { Again } from "./Again.tsx";
import { fileName } from "./answers_file.ts";
import { Download } from "./Download.tsx";
import { orderOf, type Run } from "./run.ts";
import { Truth } from "./Told.tsx";
import { SENDING } from "./words.ts";

export function End({ page, run }: { page: QuizPage; run: Run }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useLayoutEffect(() => {
    scrollTo(0, 0);
    heading.current!.focus({ preventScroll: true });
  }, []);
  return (
    <>
      <h2 ref={heading} tabIndex={-1}>
        That was the last question. Thank you.
      </h2>
      <p>
        Your {count(run.answers.length, "answer")} are in this browser alone. Download them as the file{" "}
        <b>{fileName(page, run)}</b>.
      </p>
      <p>
        <Download page={page} run={run} main>
          Download answers
        </Download>
      </p>
      <p>{SENDING}</p>
      {page.feedback === "end" && <Review page={page} run={run} />}
    </>
  );
}

/** All questions but those to practise on, each with its answer and what is true. */
function Review({ page, run }: { page: QuizPage; run: Run }) {
  const given = orderOf(page, run)
    .map((placed, i) => ({ placed, answer: run.answers[i]! }))
    .filter(({ placed }) => placed.question.truth && !placed.question.practice);
  const right = given.filter(({ placed, answer }) => answer.choice === placed.question.truth!.choice).length;
  return (
    <section class="review">
      <h2>What is true</h2>
      <p>
        {right} of {count(given.length, "question")} right, second parts not counted.
      </p>
      <ol>
        {given.map(({ placed, answer }) => (
          <li key={placed.question.id}>
            <h3>{placed.question.text}</h3>
            <Truth placed={placed} answer={answer} />
            <Again placed={placed} />
          </li>
        ))}
      </ol>
    </section>
  );
}
