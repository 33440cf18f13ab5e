/** What the browser keeps of a run, so that a reload loses nothing: under the quiz's digest, in this browser alone. */

import type { Answer, QuizPage } from "../quiz_types.ts";
import { arrangements } from "./arrangement.ts";
import { orderOf, type PlacedQuestion, type Run, tells } from "./run.ts";

/** The part of `localStorage` that is used. */
export type Storage = Pick<globalThis.Storage, "getItem" | "setItem" | "removeItem">;

export class Kept {
  /** Whether the browser keeps anything; some refuse, or have no room. */
  works = true;
  readonly key: string;

  /** `storage` may throw already where it is asked for. */
  constructor(
    private readonly page: QuizPage,
    private readonly storage: () => Storage = () => localStorage,
  ) {
    this.key = `igbatch-quiz-${page.digest}`;
  }

  /** Return the run that was kept; null where there is none, or none of this quiz. */
  load(): Run | null {
    const text = this.attempt((storage) => storage.getItem(this.key));
    if (!text) return null;
    try {
      const run: unknown = JSON.parse(text);
      return isRun(this.page, run) ? run : null;
    } catch {
      return null;
    }
  }

  /** Keep a run, or forget it. */
  save(run: Run | null): void {
    this.attempt((storage) =>
      run ? storage.setItem(this.key, JSON.stringify(run)) : storage.removeItem(this.key),
    );
  }

  private attempt<T>(use: (storage: Storage) => T): T | null {
    try {
      const found = use(this.storage());
      this.works = true;
      return found;
    } catch {
      this.works = false;
      return null;
    }
  }
}

/** Whether a value is a run of the quiz: other versions and other pages may have left something else. */
export function isRun(page: QuizPage, value: unknown): value is Run {
  const run = value as Run;
  const { session, arrangement, reader, screen, answers, draft, told } = run;
  if (!/^[0-9a-f]{16}$/.test(session) || !isCode(reader) || typeof told !== "boolean") return false;
  if (!isWhole(arrangement) || arrangement >= arrangements(page.questions)) return false;
  if (![screen.width, screen.height, screen.percent].every(isWhole)) return false;
  if (!Number.isFinite(draft.ms) || draft.ms < 0 || answers.length > page.questions.length) return false;
  const order = orderOf(page, run);
  const shown = order[answers.length];
  if (told && !(answers.length && tells(page, order[answers.length - 1]!.question))) return false;
  return (
    answers.every((answer, place) => isAnswer(answer, order[place]!, place)) &&
    isOffered(shown, "choices", draft.choice, true) &&
    isOffered(shown, "second_choices", draft.second, true)
  );
}

/** Whether a code is one that a reader may choose. */
export function isCode(text: unknown): text is string {
  return typeof text === "string" && /^[A-Za-z0-9_.-]{0,40}$/.test(text);
}

function isAnswer(answer: Answer, placed: PlacedQuestion, place: number): boolean {
  return (
    answer.question === placed.question.id &&
    answer.swapped === placed.swapped &&
    answer.place === place &&
    isWhole(answer.ms) &&
    isOffered(placed, "choices", answer.choice, false) &&
    isOffered(placed, "second_choices", answer.second, placed.question.second_choices.length === 0)
  );
}

function isOffered(
  placed: PlacedQuestion | undefined,
  part: "choices" | "second_choices",
  id: string | null,
  none: boolean,
): boolean {
  return id === null ? none : Boolean(placed?.question[part].some((choice) => choice.id === id));
}

function isWhole(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0;
}
