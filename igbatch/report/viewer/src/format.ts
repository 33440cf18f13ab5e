/** Numbers as people read them: the same texts that `igbatch.text` writes. */

const SUPERSCRIPT: Record<string, string> = {
  "-": "⁻",
  "0": "⁰",
  "1": "¹",
  "2": "²",
  "3": "³",
  "4": "⁴",
  "5": "⁵",
  "6": "⁶",
  "7": "⁷",
  "8": "⁸",
  "9": "⁹",
};

/** Write a number with `digits` significant digits: 0.0213, −1,240, 3.1×10⁻⁸. */
export function number(value: number, digits = 3): string {
  if (value === 0) return "0";
  const [mantissa, exponent] = Math.abs(value)
    .toExponential(digits - 1)
    .split("e") as [string, string];
  const sign = value < 0 ? "−" : "";
  const power = Number(exponent);
  if (power > -4 && power < 6) {
    const places = Math.max(digits - 1 - power, 0);
    const text = Number(`${mantissa}e${exponent}`).toFixed(places);
    return sign + text.replace(/^\d+/, (whole) => whole.replace(/\B(?=(\d{3})+$)/g, ","));
  }
  return `${sign}${mantissa}×10${[...String(power)].map((letter) => SUPERSCRIPT[letter]).join("")}`;
}

/** Write a number as `number` does, and a dash where there is none. */
export function orDash(value: number | null | undefined, digits = 3): string {
  return value == null ? "–" : number(value, digits);
}

/** Write a share in percent: 97.3 %, 0.42 %, < 0.01 %, > 99.99 %. */
export function percent(share: number): string {
  if (share > 0 && share < 1e-4) return "< 0.01\u00a0%";
  if (share > 0.9999 && share < 1) return "> 99.99\u00a0%";
  const hundred = 100 * share;
  if (share === 0 || share === 1) return `${hundred.toFixed(0)}\u00a0%`;
  return `${hundred.toFixed(hundred < 1 || (hundred > 99 && hundred < 100) ? 2 : 1)}\u00a0%`;
}

/** Write a number with its noun: 1 map, 12 maps, 1,024 maps, 3 patches. */
export function count(n: number, noun: string, plural = `${noun}s`): string {
  return `${n.toLocaleString("en-US")} ${n === 1 ? noun : plural}`;
}

/** Join names as a sentence does: a, b and c; of more than `max`, the first ones and how many others. */
export function listing(names: string[], max = 6): string {
  const shown = names.length > max ? [...names.slice(0, max), `${names.length - max} more`] : names;
  return shown.length < 2 ? shown.join("") : `${shown.slice(0, -1).join(", ")} and ${shown.at(-1)}`;
}
