/** What stands where: pictures in the order of the screen, and choices with the names that they have there. */

import type { Choice, QuizPicture } from "../quiz_types.ts";
import type { Part, PlacedQuestion } from "./run.ts";

// Maps are side by side on a wide screen and one below the other on a narrow one: letters are right for both.
const LETTERS = ["Map A", "Map B"];

export interface ShownPicture {
  /** Above it; empty where it needs no name. */
  caption: string;
  picture: QuizPicture;
}

/** Return the maps of a question, as they follow each other on the screen. */
export function mapsOf({ question, swapped }: PlacedQuestion): ShownPicture[] {
  const pictures = swapped ? [...question.pictures].reverse() : question.pictures;
  if (pictures.length > 1) return pictures.map((picture, i) => ({ caption: LETTERS[i] ?? "", picture }));
  return pictures.map((picture) => ({ caption: question.photograph ? "Map" : "", picture }));
}

/** Return the choices of a part, as they follow each other on the screen. */
export function choicesOf({ question, swapped }: PlacedQuestion, part: Part): Choice[] {
  if (part === "second") return question.second_choices;
  if (!question.sided) return question.choices;
  const choices = swapped ? [...question.choices].reverse() : question.choices;
  return choices.map(({ id }, i) => ({ id, label: LETTERS[i] ?? id }));
}

/** Return the name that a choice has on the screen. */
export function labelOf(placed: PlacedQuestion, part: Part, id: string | null): string {
  return choicesOf(placed, part).find((choice) => choice.id === id)?.label ?? "";
}
