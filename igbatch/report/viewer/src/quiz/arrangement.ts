/**
 * In which order a reader gets the questions, and on which side their pictures stand: one number says both.
 *
 * Over all arrangements each question stands at each place, and each picture on each side, equally often.
 */

/** What of a question its place and sides depend on. */
export interface Arranged {
  practice: boolean;
  sided: boolean;
  pictures: readonly unknown[];
}

export interface Placed<Q> {
  question: Q;
  /** Whether the second picture stands first. */
  swapped: boolean;
}

/** Return how many arrangements there are: two for each question that is not to practise on. */
export function arrangements(questions: readonly Arranged[]): number {
  return 2 * Math.max(1, questions.filter((each) => !each.practice).length);
}

/**
 * Return the questions as a reader gets them under an arrangement.
 *
 * Those to practise on come first, as drawn; the others rotated by half the arrangement. Sides change from one
 * drawn question to the next.
 */
export function arrange<Q extends Arranged>(questions: readonly Q[], arrangement: number): Placed<Q>[] {
  const placed = (all: readonly Q[]): Placed<Q>[] =>
    all.map((question, index) => ({
      question,
      swapped: (question.sided || question.pictures.length === 2) && (arrangement + index) % 2 === 1,
    }));
  const practice = placed(questions.filter((each) => each.practice));
  const asked = placed(questions.filter((each) => !each.practice));
  const begin = Math.floor(arrangement / 2);
  return [...practice, ...asked.slice(begin), ...asked.slice(0, begin)];
}
