/** The order of table cells, by the numbers and names that their texts stand for. */

const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";
const NUMBER = String.raw`±?[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:×10-?\d+|e[+-]?\d+)?`;
/** A number, then nothing, or what only adds to it: an interval, its other end, or of how many it is. */
const CELL = new RegExp(String.raw`^([<>])? ?(${NUMBER})(?: ?%)?(?: of (${NUMBER})| to ${NUMBER}| \(.*\))?$`);
const names = new Intl.Collator("en", { numeric: true });
const NUDGE = 1e-9;

/**
 * What a cell is sorted by: a number, a name, or null where it has neither.
 *
 * Numbers are those that `igbatch.text` writes: −0.0213, 3.1×10⁻⁸, < 0.001, 12 %, 1,240, also with more
 * behind them: "0.154 (0.131 to 0.176)" and "−0.1 to 0.2" count as their first number, "3 of 8" as a share.
 * What is below 0.001 comes just before 0.001.
 */
export function sortValue(text: string): number | string | null {
  const cell = text.replace(/\s+/g, " ").trim();
  if (cell === "" || cell === "–" || cell === "—") return null;
  const found = CELL.exec(plain(cell));
  if (found === null) return cell;
  const [, bound, first, whole] = found;
  const value = parse(first ?? "") / (whole === undefined ? 1 : parse(whole));
  if (Number.isNaN(value)) return null; // 0 of 0
  const side = bound === "<" ? -1 : bound === ">" ? 1 : 0;
  return value + side * Math.abs(value) * NUDGE;
}

/** Compare two values of `sortValue`: numbers before names, nothing last whatever the direction. */
export function compareValues(
  one: number | string | null,
  other: number | string | null,
  descending = false,
): number {
  if (one === null || other === null) return Number(one === null) - Number(other === null);
  const sign = descending ? -1 : 1;
  if (typeof one === "number" && typeof other === "number") return sign * Math.sign(one - other);
  if (typeof one === "string" && typeof other === "string") return sign * names.compare(one, other);
  return sign * (typeof one === "number" ? -1 : 1);
}

/** Write a number's minus and its power of ten in ASCII. */
function plain(text: string): string {
  return text.replaceAll("−", "-").replace(/×10(⁻?)([⁰¹²³⁴⁵⁶⁷⁸⁹]+)/g, (_, minus: string, power: string) => {
    const digits = Array.from(power, (each) => SUPERSCRIPTS.indexOf(each)).join("");
    return `×10${minus ? "-" : ""}${digits}`;
  });
}

function parse(number: string): number {
  return Number(number.replaceAll(",", "").replace("±", "").replace("×10", "e"));
}
