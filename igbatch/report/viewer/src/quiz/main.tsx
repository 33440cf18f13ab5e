/** The script of a quiz's page: it asks one question after the other, and gives the reader a file of answers. */

import { render } from "preact";

import type { QuizPage } from "../quiz_types.ts";
import { onceDrawn } from "../ready.ts";
import { Quiz } from "./Quiz.tsx";

const page = JSON.parse(document.getElementById("quiz-data")!.textContent!) as QuizPage;
render(<Quiz page={page} ready={onceDrawn()} />, document.getElementById("quiz")!);
