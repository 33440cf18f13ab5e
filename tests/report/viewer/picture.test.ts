import assert from "node:assert/strict";
import { test } from "node:test";

import type { Colors } from "../../../igbatch/report/viewer/src/colors.ts";
import { drawView } from "../../../igbatch/report/viewer/src/picture.ts";
import { type Cell, rowsOf } from "../../../igbatch/report/viewer/src/shown.ts";
import type { View } from "../../../igbatch/report/viewer/src/view.ts";
import { PAIR, STUDY, store } from "./study.ts";

/** Draw a view where there is no canvas; return the addresses of the photographs and the texts that were drawn, in order. */
async function drawn(rows: Cell[][], view: View): Promise<{ photos: string[]; texts: string[] }> {
  const [photos, texts]: [string[], string[]] = [[], []];
  const known: Record<string, unknown> = {
    measureText: (text: string) => ({ width: 7 * text.length }),
    fillText: (text: string) => texts.push(text),
    drawImage: (source: { src?: string }) => source.src && photos.push(source.src),
  };
  const pen = new Proxy(known, { get: (target, name: string) => target[name] ?? (() => undefined), set: () => true });
  const named = globalThis as Record<string, unknown>;
  named.document = { createElement: () => ({ width: 0, height: 0, getContext: () => pen }) };
  named.ImageData = class {};
  named.Path2D = class { rect(): void {} };
  named.Image = class { src = ""; async decode(): Promise<void> {} };
  await drawView(STUDY, rows, view, new Uint8Array(9) as unknown as Colors, store(), []);
  return { photos, texts };
}

test("each map lies over the photograph as its own model sees it", async () => {
  const view = { ...PAIR, style: { ...PAIR.style, opacity: 0.5 } };
  const rows = rowsOf(STUDY, view, store()).map((row, place) =>
    row.map((cell) => ({ ...cell, frame: { ...cell.frame, picture: `data:${place}` } })),
  );
  const frames = rows.map((row) => row.map((cell) => ({ ...cell, frame: row[0]!.frame })));
  const { photos } = await drawn(frames, view);
  assert.deepEqual(photos, ["data:0", "data:0", "data:0", "data:1", "data:1"]); // the first stands by itself
});

test("the cautions of a map stand below its numbers", async () => {
  const view: View = { ...PAIR, normalization: { ...PAIR.normalization, scope: "raw", rule: "fixed", low: -2, high: 2 } };
  const rows = rowsOf(STUDY, view, store()).map((row) =>
    row.map((cell) => ({ ...cell, map: { ...cell.map, marks: [`${cell.variant.id} did not converge`] } })),
  );
  const { texts } = await drawn(rows, view);
  assert.equal(texts.filter((text) => text === "7 pixels (58.3\u00a0%) beyond the").length, 2); // of -5 to 6; random ones are within
  for (const variant of STUDY.variants)
    assert.equal(texts.filter((text) => text === `${variant.id} did not converge`).length, 2);
});
