// Bundles src/main.tsx and the libraries it uses into the one script that the page embeds.
// With --check nothing is written: it fails where the committed script is not what the sources give.
import { readFile, writeFile } from "node:fs/promises";
import { build } from "esbuild";

const target = new URL("../templates/viewer.js", import.meta.url);
const result = await build({
  entryPoints: [new URL("src/main.tsx", import.meta.url).pathname],
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact",
  charset: "ascii", // the page embeds it whatever the file's encoding is taken for
  legalComments: "eof",
  write: false,
});
const script = result.outputFiles[0].text;
if (/<\/script|<!--/i.test(script)) throw new Error("the script would end the element that embeds it");
if (process.argv.includes("--check")) {
  const committed = await readFile(target, "utf8").catch(() => "");
  if (committed !== script) {
    console.error("templates/viewer.js is not what src/ gives; run `npm run build` and commit it");
    process.exit(1);
  }
} else {
  await writeFile(target, script);
  console.log(`templates/viewer.js: ${script.length} bytes`);
}
