/** A reader's run through the quiz in this tab: its steps, the time that a question is seen, and what is kept. */

import type { QuizPage } from "../quiz_types.ts";
import { screenOf } from "./answers_file.ts";
import { Kept } from "./kept.ts";
import {
  begin,
  choose,
  give,
  goOn,
  orderOf,
  type Part,
  type PlacedQuestion,
  placeOf,
  type Run,
} from "./run.ts";
import { Stopwatch } from "./stopwatch.ts";

const SAVE_EVERY = 2000; // ms; more is not lost in a crash

export class Sitting {
  run: Run | null;
  private readonly kept: Kept;
  private readonly watch = new Stopwatch(() => document.visibilityState === "visible");

  constructor(
    readonly page: QuizPage,
    private readonly changed: () => void,
  ) {
    this.kept = new Kept(page);
    this.run = this.kept.load();
    this.shown();
    document.addEventListener("visibilitychange", () => {
      this.watch.look();
      this.save();
    });
    addEventListener("pagehide", () => this.save());
    // another tab of this browser went on: both are one run
    addEventListener("storage", ({ key }) => {
      if (key !== this.kept.key) return;
      this.run = this.kept.load();
      this.shown();
      this.changed();
    });
    setInterval(() => document.visibilityState === "visible" && this.save(), SAVE_EVERY);
  }

  /** Whether this browser keeps what was answered. */
  get isKept(): boolean {
    return this.kept.works;
  }

  /** The question on the screen; undefined before the first one and after the last. */
  get placed(): PlacedQuestion | undefined {
    return this.run ? orderOf(this.page, this.run)[placeOf(this.run)] : undefined;
  }

  begin(reader: string): void {
    this.step(begin(this.page, reader, screenOf(window)));
  }

  /** What the run says is on the screen: where that is a question without its answer, its time counts. */
  shown(): void {
    if (this.run && this.placed && !this.run.told) this.watch.start(this.run.draft.ms);
    else this.watch.stop(0);
  }

  choose(part: Part, id: string): void {
    if (this.run) this.step(choose(this.withTime(this.run), part, id));
  }

  /** Give the answer that is chosen; or go on from what is true of the last one. */
  next(): void {
    if (!this.run) return;
    const next = this.run.told ? goOn(this.run) : give(this.page, this.run, this.watch.read());
    if (next === this.run) return;
    this.watch.stop(0); // until the next one is on the screen
    this.step(next);
  }

  /** Forget all answers. */
  forget(): void {
    this.watch.stop(0);
    this.step(null);
  }

  private step(run: Run | null): void {
    this.run = run;
    this.kept.save(run);
    this.changed();
  }

  private save(): void {
    if (!this.run) return;
    this.run = this.withTime(this.run);
    this.kept.save(this.run);
  }

  private withTime(run: Run): Run {
    if (run.told || !this.placed) return run;
    return { ...run, draft: { ...run.draft, ms: this.watch.read() } };
  }
}
