/** Counts the time that something was seen. */

export class Stopwatch {
  private before = 0;
  private since: number | null = null;
  private running = false;

  /** `visible`: whether the page is seen; `now`: milliseconds. */
  constructor(
    private readonly visible: () => boolean,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Count on from a time. */
  start(ms: number): void {
    this.before = ms;
    this.running = true;
    this.since = this.visible() ? this.now() : null;
  }

  /** Stop counting, at a time. */
  stop(ms = this.read()): void {
    this.before = ms;
    this.running = false;
    this.since = null;
  }

  /** The page came to be seen, or is no longer. */
  look(): void {
    if (this.running) this.start(this.read());
  }

  /** Return the milliseconds so far. */
  read(): number {
    return this.before + (this.since === null ? 0 : this.now() - this.since);
  }
}
