/** What the page of a quiz says of where a reader is, and of answers. */

import { count } from "../format.ts";
import type { Answer, QuizPage, Screen } from "../quiz_types.ts";
import { type Part, type PlacedQuestion, placeOf, type Run } from "./run.ts";
import { labelOf } from "./shown.ts";

/** Return how many questions are to practise on, and how many are not. */
export function numbersOf(page: QuizPage): { practice: number; asked: number } {
  const practice = page.questions.filter((each) => each.practice).length;
  return { practice, asked: page.questions.length - practice };
}

/** Say which question is on the screen. */
export function progressWords(page: QuizPage, run: Run): string {
  const { practice, asked } = numbersOf(page);
  const place = placeOf(run);
  if (place < practice) return `Practice ${place + 1} of ${practice}`;
  return place < page.questions.length ? `Question ${place - practice + 1} of ${asked}` : "The end";
}

/** Say what is recorded. */
export function recordWords({ width, height }: Screen): string {
  return (
    "Your answers, how long each question is on your screen while this tab is seen, the size of this window " +
    `(now ${width} × ${height} pixels), and a code if you choose one; nothing else about you or your computer.`
  );
}

export const STAYS =
  "Nothing leaves this browser: the page asks for nothing from anywhere. At the end you download your answers as " +
  "a file and send it yourself. Until then this browser keeps them, so that you may close the page and go on later.";

export const NOT_KEPT =
  "This browser keeps nothing for this page: a reload would lose your answers. Leave it open until you have " +
  "downloaded them.";

export const SENDING =
  "Send the file to whoever asked you, for instance as an attachment. Nothing is sent by itself.";

/** Say what follows the last question to practise on; empty after any other. */
export function afterPractice(page: QuizPage, run: Run): string {
  const { practice, asked } = numbersOf(page);
  if (run.answers.length !== practice || !asked) return "";
  const told = {
    none: "You are no longer told what is true.",
    after: "After each you are told what is true.",
    end: "What is true of them is told at the end.",
  }[page.feedback];
  return `That was the last to practise on. ${asked === 1 ? "One question follows" : `${count(asked, "question")} follow`}. ${told}`;
}

export interface Verdict {
  right: boolean;
  words: string;
}

/** Say whether each part of an answer is what is true; empty where the page does not know. */
export function verdicts(placed: PlacedQuestion, answer: Answer): Verdict[] {
  const { truth, second_choices } = placed.question;
  if (!truth) return [];
  const parts: Part[] = second_choices.length ? ["choice", "second"] : ["choice"];
  return parts.map((part) => {
    const [given, holds] = [answer[part], truth[part]].map((id) => labelOf(placed, part, id)) as [
      string,
      string,
    ];
    const right = answer[part] === truth[part];
    return { right, words: right ? `Right: ${holds}.` : `You chose ${given}; right is ${holds}.` };
  });
}
