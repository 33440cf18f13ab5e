/** Before the first question: what this is, what is recorded, and a code that the reader may choose. */

import { useEffect, useRef, useState } from "preact/hooks";

import type { QuizPage } from "../quiz_types.ts";
import { screenOf } from "./answers_file.ts";
import { isCode } from "./kept.ts";
import { recordWords, STAYS } from "./words.ts";

export function Start({ page, begin }: { page: QuizPage; begin: (reader: string) => void }) {
  const [code, setCode] = useState("");
  const [screen, setScreen] = useState(() => screenOf(window));
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const resized = () => setScreen(screenOf(window));
    addEventListener("resize", resized);
    return () => removeEventListener("resize", resized);
  }, []);
  const wrong = !isCode(code);
  return (
    <form
      class="start"
      onSubmit={(event) => {
        event.preventDefault();
        if (wrong) field.current!.focus();
        else begin(code);
      }}
    >
      {page.intro.map((paragraph) => (
        <p key={paragraph}>{paragraph}</p>
      ))}
      <p>The keys 1 to 9 choose, Enter goes on. An answer that was given stays.</p>
      <h2>What is recorded</h2>
      <p>{recordWords(screen)}</p>
      <p>{STAYS}</p>
      <p class="code">
        <label for="code">A code of your choice (may be left empty)</label>
        <input
          id="code"
          ref={field}
          value={code}
          maxLength={40}
          autocomplete="off"
          autocapitalize="off"
          spellcheck={false}
          aria-describedby="code-hint"
          aria-invalid={wrong}
          onInput={(event) => setCode(event.currentTarget.value)}
        />
        <span id="code-hint" class={wrong ? "mark" : "faint"} aria-live="polite">
          {wrong ? "Only these: " : ""}Letters A to Z, digits, dot, dash and underscore; not your name.
        </span>
      </p>
      <button type="submit" class="main">
        Begin
      </button>
    </form>
  );
}
