/** The photograph and the maps of a question, at the size that they were made for. */

import type { QuizPicture } from "../quiz_types.ts";
import type { PlacedQuestion } from "./run.ts";
import { mapsOf } from "./shown.ts";

export function Pictures({ placed }: { placed: PlacedQuestion }) {
  const { photograph } = placed.question;
  return (
    <div class="pictures">
      {photograph && <Figure caption="Photograph" kind="photograph" picture={photograph} />}
      {mapsOf(placed).map(({ caption, picture }) => (
        <Figure key={caption} caption={caption} kind="map" picture={picture} />
      ))}
    </div>
  );
}

function Figure({ caption, kind, picture }: { caption: string; kind: string; picture: QuizPicture }) {
  const { uri, width, height, alt } = picture;
  return (
    <figure>
      {caption && <figcaption>{caption}</figcaption>}
      <img class={kind} src={uri} width={width} height={height} alt={alt} decoding="sync" />
    </figure>
  );
}
