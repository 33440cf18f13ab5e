/** What a reader may do at any question: take the answers so far along, or begin anew. */

import { useRef } from "preact/hooks";

import { count } from "../format.ts";
import type { QuizPage } from "../quiz_types.ts";
import { Download } from "./Download.tsx";
import type { Run } from "./run.ts";

export interface ToolsProps {
  page: QuizPage;
  run: Run;
  /** Whether the end, which has its own button, is on the screen. */
  ended: boolean;
  forget: () => void;
}

export function Tools({ page, run, ended, forget }: ToolsProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  return (
    <div class="tools">
      {!ended && (
        <Download page={page} run={run}>
          Download so far
        </Download>
      )}
      <button type="button" class="quiet" onClick={() => dialog.current!.showModal()}>
        Start anew
      </button>
      <dialog ref={dialog} aria-labelledby="anew">
        <h2 id="anew">Start anew?</h2>
        <p>
          {run.answers.length === 0
            ? "Nothing is answered yet."
            : `This browser forgets your ${count(run.answers.length, "answer")}; what you have downloaded stays.`}{" "}
          Order and sides are drawn again.
        </p>
        <div class="row">
          <button type="button" class="quiet" onClick={() => dialog.current!.close()}>
            Keep them
          </button>
          <button type="button" class="main" onClick={forget}>
            Forget and start anew
          </button>
        </div>
      </dialog>
    </div>
  );
}
