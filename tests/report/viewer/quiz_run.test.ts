/** A reader's way through a quiz: steps, what is kept, what is said, and the file of answers. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { answersOf, fileName, screenOf } from "../../../igbatch/report/viewer/src/quiz/answers_file.ts";
import { digestOf, type Json } from "../../../igbatch/report/viewer/src/quiz/digest.ts";
import { isCode, isRun, Kept } from "../../../igbatch/report/viewer/src/quiz/kept.ts";
import { begin, choose, give, goOn, isComplete, orderOf, placeOf, type Run } from "../../../igbatch/report/viewer/src/quiz/run.ts";
import { choicesOf, labelOf, mapsOf } from "../../../igbatch/report/viewer/src/quiz/shown.ts";
import { afterPractice, progressWords, verdicts } from "../../../igbatch/report/viewer/src/quiz/words.ts";
import type { Question, QuizPage } from "../../../igbatch/report/viewer/src/quiz_types.ts";

const SCREEN = { width: 1280, height: 900, percent: 100 };
const named = (...ids: string[]) => ids.map((id) => ({ id, label: `the ${id}` }));
const picture = (uri: string) => ({ uri, width: 2, height: 2, alt: uri });
const truth = (choice: string, second: string | null = null) => ({ choice, second, words: "Numbers." });

function question(id: string, part: Partial<Question> = {}): Question {
  return {
    id, practice: false, text: `${id}?`, hint: "", pictures: [picture("one"), picture("two")], photograph: null,
    choices: named("yes", "no"), sided: false, second_text: "", second_choices: [], truth: truth("yes"), ...part,
  };
}

function pageOf(feedback: QuizPage["feedback"] = "none"): QuizPage {
  const told = feedback === "none" ? { truth: null } : {};
  return {
    format: 1, digest: "ab".repeat(32), study: "a study", feedback, intro: [],
    questions: [
      question("p-0", { practice: true }),
      question("q-0", { sided: true, choices: [{ id: "first", label: "" }, { id: "second", label: "" }], second_choices: named("much", "little"), truth: truth("first", "much"), ...told }),
      question("q-1", { pictures: [picture("one")], photograph: picture("photograph"), ...told }),
    ],
  };
}

const run = (page: QuizPage, arrangement: number): Run => ({ ...begin(page, "r-1", SCREEN), arrangement });

test("a question is answered once all its parts are, and an answer stays", () => {
  const page = pageOf("after");
  let now = run(page, 0);
  assert.equal(give(page, now, 5), now);
  now = give(page, choose(choose(now, "choice", "no"), "choice", "yes"), 1234.6);
  assert.deepEqual(now.answers, [{ question: "p-0", choice: "yes", second: null, ms: 1235, place: 0, swapped: false }]);
  assert.equal(placeOf(now), 0); // what is true is on the screen
  assert.equal(choose(now, "choice", "no"), now);
  assert.equal(give(page, now, 9), now);
  now = choose(goOn(now), "choice", "second");
  assert.equal(give(page, now, 9), now);
  now = give(page, choose(now, "second", "much"), 1e12);
  assert.deepEqual(now.answers[1], { question: "q-0", choice: "second", second: "much", ms: 86_400_000, place: 1, swapped: false });
  now = goOn(give(page, choose(goOn(now), "choice", "no"), -1));
  assert.equal(now.answers[2]!.ms, 0);
  assert.ok(isComplete(page, now));
  assert.equal(placeOf(now), 3);
});

test("readers are told what is true where the page says so, and always of practice", () => {
  for (const [feedback, told] of [["none", [true, false, false]], ["after", [true, true, true]], ["end", [true, false, false]]] as const) {
    const page = pageOf(feedback);
    let now = run(page, 0);
    const seen = orderOf(page, now).map(({ question: { choices, second_choices } }) => {
      now = choose(choose(now, "choice", choices[0]!.id), "second", second_choices[0]?.id ?? "");
      now = give(page, now, 1);
      const shown = now.told;
      now = shown ? goOn(now) : now;
      return shown;
    });
    assert.deepEqual(seen, told);
  }
});

test("sides, names and verdicts follow what is on the screen", () => {
  const page = pageOf("after");
  const [, , swapped] = orderOf(page, run(page, 3)); // rotated by one, and q-0 is swapped
  assert.equal(swapped!.question.id, "q-0");
  assert.deepEqual(mapsOf(swapped!).map(({ caption, picture: { uri } }) => [caption, uri]), [["Map A", "two"], ["Map B", "one"]]);
  assert.deepEqual(choicesOf(swapped!, "choice"), [{ id: "second", label: "Map A" }, { id: "first", label: "Map B" }]);
  assert.equal(labelOf(swapped!, "second", "little"), "the little");
  const answer = { question: "q-0", choice: "second", second: "much", ms: 1, place: 2, swapped: true };
  assert.deepEqual(verdicts(swapped!, answer), [
    { right: false, words: "You chose Map A; right is Map B." },
    { right: true, words: "Right: the much." },
  ]);
  const [, alone] = orderOf(page, run(page, 3));
  assert.deepEqual(mapsOf(alone!).map(({ caption }) => caption), ["Map"]);
  assert.equal(alone!.swapped, false);
});

test("progress is said, and what follows the last to practise on", () => {
  const page = pageOf("end");
  const start = run(page, 0);
  assert.equal(progressWords(page, start), "Practice 1 of 1");
  const practised = give(page, choose(start, "choice", "yes"), 1);
  assert.equal(progressWords(page, practised), "Practice 1 of 1");
  assert.match(afterPractice(page, practised), /2 questions follow\. What is true of them is told at the end\./);
  assert.equal(progressWords(page, goOn(practised)), "Question 1 of 2");
  assert.equal(afterPractice(page, start), "");
});

test("what was kept is read back, and what is not of this quiz is not", () => {
  const page = pageOf("after");
  const kept = new Map<string, string>();
  const storage = { getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, text: string) => void kept.set(key, text), removeItem: (key: string) => void kept.delete(key) };
  const place = new Kept(page, () => storage);
  let now = run(page, 2);
  now = choose(goOn(give(page, choose(now, "choice", "no"), 7)), "choice", "no");
  place.save(now);
  assert.deepEqual([...kept.keys()], [`igbatch-quiz-${page.digest}`]);
  assert.deepEqual(place.load(), now);
  const told = give(page, now, 3);
  assert.ok(isRun(page, told));
  for (const wrong of [
    null, 7, {}, { ...now, session: "x" }, { ...now, arrangement: 4 }, { ...now, arrangement: -1 }, { ...now, told: true, answers: [] },
    { ...now, answers: [{ ...now.answers[0], question: "q-0" }] }, { ...now, answers: [{ ...now.answers[0], choice: "first" }] },
    { ...now, answers: [{ ...now.answers[0], ms: 0.5 }] }, { ...now, draft: { ...now.draft, choice: "first" } }, { ...now, reader: "a b" },
  ]) {
    kept.set(place.key, JSON.stringify(wrong));
    assert.equal(place.load(), null, JSON.stringify(wrong));
  }
  kept.set(place.key, "{");
  assert.equal(place.load(), null);
  place.save(null);
  assert.equal(kept.size, 0);
  assert.ok(place.works);
});

test("a browser that keeps nothing is noticed", () => {
  const place = new Kept(pageOf(), () => { throw new Error("denied"); });
  assert.equal(place.load(), null);
  assert.equal(place.works, false);
  const full = { getItem: () => null, setItem: () => { throw new Error("quota"); }, removeItem: () => {} };
  const little = new Kept(pageOf(), () => full);
  little.load();
  assert.ok(little.works);
  little.save(run(pageOf(), 0));
  assert.equal(little.works, false);
});

test("the file names quiz and run, and its checksum is of all else", () => {
  const page = pageOf();
  const now = goOn(give(page, choose(run(page, 1), "choice", "yes"), 12));
  const { checksum, ...content } = answersOf(page, now);
  assert.equal(checksum, digestOf(content as unknown as Json));
  assert.deepEqual(Object.keys(content).sort(), ["answers", "arrangement", "complete", "format", "quiz", "reader", "screen", "session"]);
  assert.equal(content.complete, false);
  assert.equal(fileName(page, now), `quiz-abababab-${now.session.slice(0, 8)}.json`);
  assert.deepEqual(screenOf({ innerWidth: 389.6, innerHeight: -1, devicePixelRatio: 2.625 }), { width: 390, height: 0, percent: 263 });
});

test("codes are letters, digits, dot, dash and underscore", () => {
  for (const code of ["", "a", "A-1_b.c", "x".repeat(40)]) assert.ok(isCode(code));
  for (const code of ["a b", "é", "x".repeat(41), "a\n", null]) assert.ok(!isCode(code));
});
