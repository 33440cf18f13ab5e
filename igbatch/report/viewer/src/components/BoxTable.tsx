/** The sums in boxes: what the raw values here add up to, beside what the study stored. */

import { type Size, within } from "../boxes.ts";
import { number, orDash, percent } from "../format.ts";
import type { BoxRow } from "../numbers.ts";
import { ownName } from "../numbers.ts";
import type { Rectangle } from "../raw_map.ts";
import type { BoxEdits } from "./Boxes.tsx";

/** What the study measured by removing boxes, by its name in a row, with its head and what it is. */
const REMOVALS = [
  [
    "deletion",
    "deletion",
    " Deletion: what the output loses when the box is filled with the baseline; of several baselines, the mean over them.",
  ],
  ["deletion_blurred", "blurred", " Blurred: when it is filled with a blur of the image."],
  ["true_effect", "true effect", " True effect: when the same scene is drawn without the bird."],
] as const;

const SIGNS =
  " ± over baselines: the standard deviation of the sum over them. Sign agrees: the share of the baselines under which " +
  "the sum has its sign; below 100 % the sign depends on the baseline.";

export function BoxTable({ rows, image, noun }: { rows: BoxRow[]; image: string; noun: string }) {
  if (!rows.length) return <p>No boxes: there is none on this image. Draw one.</p>;
  const stored = rows.some((row) => row.stored_sum !== null || !row.own);
  const titled = rows.some((row) => row.cell.title);
  const signs = rows.some((row) => row.sign_agreement !== null);
  const removals = REMOVALS.filter(([name]) => rows.some((row) => row[name] !== null));
  return (
    <div class="scroll" tabindex={0} role="region" aria-label="Sums in boxes">
      <table class="live">
        <caption>
          Sums in boxes of {image}, the image shown above, in units of the output. Live: from the 16-bit
          values on this page, with the most that rounding can make. Share: of the map’s sum of |a|.
          {stored && " Stored: from the study’s files."}
          {signs && SIGNS}
          {removals.map(([, , words]) => words)}
        </caption>
        <thead>
          <tr>
            <th scope="col">box</th>
            <th scope="col">{noun}</th>
            {titled && <th scope="col">target</th>}
            <th scope="col" class="number">
              pixels
            </th>
            <th scope="col" class="number">
              live sum
            </th>
            {signs && (
              <th scope="col" class="number">
                ± over baselines
              </th>
            )}
            {signs && (
              <th scope="col" class="number">
                sign agrees
              </th>
            )}
            {removals.map(([name, head]) => (
              <th key={name} scope="col" class="number">
                {head}
              </th>
            ))}
            <th scope="col" class="number">
              share
            </th>
            {stored && (
              <th scope="col" class="number">
                stored sum
              </th>
            )}
            {stored && (
              <th scope="col" class="number">
                stored share
              </th>
            )}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr
              key={`${row.own} ${row.box} ${row.cell.variant.id} ${row.cell.target.id}`}
              class={row.own ? "own" : ""}
              data-box={row.box}
              data-variant={row.cell.variant.id}
              data-target={row.cell.target.id}
            >
              <th scope="row">{row.box}</th>
              <td>{row.cell.variant.name}</td>
              {titled && <td>{row.cell.title}</td>}
              <td class="number">{row.pixels.toLocaleString("en-US")}</td>
              <td class="number" data-sum={row.sum ?? ""}>
                {row.sum === null ? "–" : `${number(row.sum)} ± ${number(row.bound!, 1)}`}
              </td>
              {signs && <td class="number">{orDash(row.sum_spread)}</td>}
              {signs && <td class="number">{agreement(row.sign_agreement)}</td>}
              {removals.map(([name]) => (
                <td key={name} class="number">
                  {orDash(row[name])}
                </td>
              ))}
              <td class="number">{row.share === null ? "–" : percent(row.share)}</td>
              {stored && (
                <td class="number" data-sum={row.stored_sum ?? ""}>
                  {orDash(row.stored_sum)}
                </td>
              )}
              {stored && (
                <td class="number">{row.stored_share === null ? "–" : percent(row.stored_share)}</td>
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Write the share of baselines under which a sum has its sign; it stands out where the sign depends on them. */
function agreement(share: number | null) {
  if (share === null) return "–";
  return share < 1 ? <strong>{percent(share)}</strong> : percent(share);
}

/** The corners of the reader's own boxes, to be typed. */
export function BoxCorners({ boxes, size, edits }: { boxes: Rectangle[]; size: Size; edits: BoxEdits }) {
  return (
    <ul class="corners">
      {boxes.map((box, index) => (
        <li key={index}>
          <fieldset>
            <legend>{ownName(index)}</legend>
            {SIDES.map(([side, name]) => (
              <label key={side}>
                {name}
                <input
                  type="number"
                  min={0}
                  max={side.startsWith("x") ? size.width : size.height}
                  step={1}
                  value={box[side]}
                  onChange={(event) => {
                    const next = within({ ...box, [side]: Number(event.currentTarget.value) }, size);
                    if (next) edits.change(index, next);
                    else event.currentTarget.value = String(box[side]);
                  }}
                />
              </label>
            ))}
            <button type="button" onClick={() => edits.remove(index)}>
              Remove {ownName(index)}
            </button>
          </fieldset>
        </li>
      ))}
    </ul>
  );
}

const SIDES: [keyof Rectangle, string][] = [
  ["x_min", "x from"],
  ["x_max", "to"],
  ["y_min", "y from"],
  ["y_max", "to"],
];
