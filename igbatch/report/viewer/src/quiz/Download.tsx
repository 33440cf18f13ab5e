/** A button that gives the reader the answers so far as a file, and says so. */

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";

import { save } from "../download.ts";
import type { QuizPage } from "../quiz_types.ts";
import { answersOf, fileName } from "./answers_file.ts";
import type { Run } from "./run.ts";

export interface DownloadProps {
  page: QuizPage;
  run: Run;
  main?: boolean;
  children: ComponentChildren;
}

export function Download({ page, run, main = false, children }: DownloadProps) {
  const [saved, setSaved] = useState(-1); // how many answers the file has
  const download = (): void => {
    save(`${JSON.stringify(answersOf(page, run), null, 1)}\n`, "application/json", fileName(page, run));
    setSaved(run.answers.length);
  };
  return (
    <>
      <button type="button" class={main ? "main" : "quiet"} onClick={download}>
        {children}
      </button>
      <span class="saved" role="status">
        {saved === run.answers.length ? "Downloaded" : ""}
      </span>
    </>
  );
}
