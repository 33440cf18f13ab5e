/** Where a reader is in a quiz, and each step on: values alone, which are kept as JSON. */

import type { Answer, Question, QuizPage, Screen } from "../quiz_types.ts";
import { arrange, arrangements, type Placed } from "./arrangement.ts";
import { below, session } from "./chance.ts";

export type Part = "choice" | "second";
export type PlacedQuestion = Placed<Question>;

const MAX_MS = 24 * 60 * 60 * 1000; // as the model of the file of answers has it

export interface Run {
  session: string;
  arrangement: number;
  reader: string;
  screen: Screen;
  answers: Answer[];
  /** What is chosen of the question on the screen, and the time that it was seen. */
  draft: { choice: string | null; second: string | null; ms: number };
  /** Whether the last answer is still on the screen, with what is true. */
  told: boolean;
}

const NOTHING = { choice: null, second: null, ms: 0 };

/** Begin: order, sides and the name of the run are drawn. */
export function begin(page: QuizPage, reader: string, screen: Screen): Run {
  const arrangement = below(arrangements(page.questions));
  return { session: session(), arrangement, reader, screen, answers: [], draft: NOTHING, told: false };
}

/** Return the questions in the order of a run. */
export function orderOf(page: QuizPage, run: Run): PlacedQuestion[] {
  return arrange(page.questions, run.arrangement);
}

/** Return the place of the question on the screen; after the last one, their number. */
export function placeOf(run: Run): number {
  return run.answers.length - (run.told ? 1 : 0);
}

/** Whether every question has its answer. */
export function isComplete(page: QuizPage, run: Run): boolean {
  return run.answers.length === page.questions.length;
}

/** Choose an answer to a part; one that was given stays. */
export function choose(run: Run, part: Part, id: string): Run {
  return run.told ? run : { ...run, draft: { ...run.draft, [part]: id } };
}

/** Whether all parts of a question are chosen. */
export function isChosen(question: Question, draft: Run["draft"]): boolean {
  return draft.choice !== null && (question.second_choices.length === 0 || draft.second !== null);
}

/** Whether a reader is told what is true once the question is answered. */
export function tells(page: QuizPage, question: Question): boolean {
  return question.truth !== null && (question.practice || page.feedback === "after");
}

/** Give the answer that is chosen, after `ms` milliseconds. */
export function give(page: QuizPage, run: Run, ms: number): Run {
  const placed = orderOf(page, run)[placeOf(run)];
  if (!placed || run.told || !isChosen(placed.question, run.draft)) return run;
  const answer: Answer = {
    question: placed.question.id,
    choice: run.draft.choice!,
    second: placed.question.second_choices.length ? run.draft.second : null,
    ms: Math.min(Math.max(Math.round(ms), 0), MAX_MS),
    place: run.answers.length,
    swapped: placed.swapped,
  };
  const told = tells(page, placed.question);
  return { ...run, answers: [...run.answers, answer], draft: NOTHING, told };
}

/** Go on to the next question from what is true of the last one. */
export function goOn(run: Run): Run {
  return { ...run, told: false };
}
