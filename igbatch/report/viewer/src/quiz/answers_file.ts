/** The file of answers that a reader takes along. */

import type { Answers, QuizPage, Screen } from "../quiz_types.ts";
import { digestOf, type Json } from "./digest.ts";
import { isComplete, type Run } from "./run.ts";

/** Return the content of the file. */
export function answersOf(page: QuizPage, run: Run): Answers {
  const content = {
    format: 1 as const,
    quiz: page.digest,
    reader: run.reader,
    session: run.session,
    arrangement: run.arrangement,
    screen: run.screen,
    complete: isComplete(page, run),
    answers: run.answers,
  };
  return { ...content, checksum: digestOf(content as unknown as Json) };
}

/** Return the name of the file: of the quiz and of the run. */
export function fileName(page: QuizPage, run: Run): string {
  return `quiz-${page.digest.slice(0, 8)}-${run.session.slice(0, 8)}.json`;
}

/** Return the size of a window, within what the file may hold. */
export function screenOf(view: Pick<Window, "innerWidth" | "innerHeight" | "devicePixelRatio">): Screen {
  const whole = (value: number, most: number): number => Math.min(Math.max(Math.round(value), 0), most) || 0;
  return {
    width: whole(view.innerWidth, 100_000),
    height: whole(view.innerHeight, 100_000),
    percent: whole(100 * view.devicePixelRatio, 10_000),
  };
}
