/** The quiz: its start, one question at a time, its end. */

import { useEffect, useMemo, useState } from "preact/hooks";

import type { QuizPage } from "../quiz_types.ts";
import { Ask } from "./Ask.tsx";
import { End } from "./End.tsx";
import { Start } from "./Start.tsx";
import { Sitting } from "./sitting.ts";
import { Tools } from "./Tools.tsx";
import { NOT_KEPT } from "./words.ts";

export function Quiz({ page, ready }: { page: QuizPage; ready: () => void }) {
  const [, render] = useState(0);
  const sitting = useMemo(() => new Sitting(page, () => render((times) => times + 1)), []);
  useEffect(ready, []);
  const { run, placed } = sitting;
  return (
    <>
      <header class={run ? "small" : ""}>
        <h1>Test yourself: {page.study}</h1>
        {run && <Tools page={page} run={run} ended={!placed} forget={() => sitting.forget()} />}
      </header>
      <main>
        {!sitting.isKept && (
          <p class="mark" role="alert">
            {NOT_KEPT}
          </p>
        )}
        {!run && <Start page={page} begin={(reader) => sitting.begin(reader)} />}
        {run && placed && <Ask sitting={sitting} run={run} placed={placed} />}
        {run && !placed && <End page={page} run={run} />}
      </main>
    </>
  );
}
