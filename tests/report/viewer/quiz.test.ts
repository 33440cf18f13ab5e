/** Order, sides, digests and time of a quiz; Python reads the same cases of `tests/report/quiz`. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { arrange, arrangements } from "../../../igbatch/report/viewer/src/quiz/arrangement.ts";
import { below, session } from "../../../igbatch/report/viewer/src/quiz/chance.ts";
import { canonical, digestOf, type Json } from "../../../igbatch/report/viewer/src/quiz/digest.ts";
import { Stopwatch } from "../../../igbatch/report/viewer/src/quiz/stopwatch.ts";

interface Arranged {
  questions: { practice: boolean; pictures: number; sided: boolean }[];
  arranged: { arrangement: number; order: number[]; swapped: boolean[] }[];
}

const read = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../quiz/${name}`, import.meta.url), "utf-8"));
const ARRANGED = read("arrangement_cases.json") as Arranged[];
const DIGESTS = read("digest_cases.json") as { content: Json; canonical: string; digest: string }[];

test("one number says order and sides", () => {
  for (const { questions, arranged } of ARRANGED) {
    const given = questions.map((each, id) => ({ ...each, id, pictures: Array(each.pictures).fill(0) }));
    for (const { arrangement, order, swapped } of arranged) {
      const placed = arrange(given, arrangement);
      assert.deepEqual(placed.map(({ question }) => question.id), order);
      assert.deepEqual(placed.map((each) => each.swapped), swapped);
    }
    assert.equal(arranged.length, arrangements(given)); // the cases are all that there are
  }
});

test("over all arrangements each question has each place and side equally often", () => {
  const questions = Array.from({ length: 5 }, (_, id) => ({ id, practice: false, sided: true, pictures: [0, 0] }));
  const seen = new Map<string, number>();
  for (let a = 0; a < arrangements(questions); a++)
    arrange(questions, a).forEach(({ question, swapped }, place) => {
      const key = `${question.id} ${place} ${swapped}`;
      seen.set(key, (seen.get(key) ?? 0) + 1);
    });
  assert.equal(seen.size, 5 * 5 * 2);
  assert.ok([...seen.values()].every((times) => times === 1));
});

test("what is drawn is as likely as the others", () => {
  const most = 2 ** 32 - (2 ** 32 % 6);
  const draws = [most, 2 ** 32 - 1, most - 1]; // the first two would make 0 to 3 likelier
  assert.equal(below(6, () => draws.shift()!), 5);
  assert.deepEqual(new Set(Array.from({ length: 300 }, () => below(4))), new Set([0, 1, 2, 3]));
  assert.equal(below(1), 0);
  assert.match(session(), /^[0-9a-f]{16}$/);
  assert.notEqual(session(), session());
});

test("digests are Python's", () => {
  for (const { content, canonical: text, digest } of DIGESTS) {
    assert.equal(canonical(content), text);
    assert.equal(digestOf(content), digest);
  }
});

test("time counts while the page is seen", () => {
  let [now, visible] = [1000, true];
  const watch = new Stopwatch(() => visible, () => now);
  const pass = (ms: number): void => void (now += ms);
  pass(50);
  assert.equal(watch.read(), 0);
  watch.start(700);
  pass(30);
  assert.equal(watch.read(), 730);
  visible = false;
  watch.look();
  pass(5000);
  watch.look(); // told twice
  assert.equal(watch.read(), 730);
  visible = true;
  watch.look();
  pass(20);
  watch.stop();
  pass(20);
  watch.look();
  pass(20);
  assert.equal(watch.read(), 750);
  watch.stop(0);
  assert.equal(watch.read(), 0);
});
