/** Raw maps: 16-bit integers with one scale, unpacked from the page. */

/** One map, row by row; a value is `integers[i] * scale`, in units of the output. */
export interface RawMap {
  width: number;
  height: number;
  integers: Int16Array | Int32Array | Float64Array;
  scale: number;
}

/** Which superpixel or object each pixel of an image is in, row by row, and the names of objects by their numbers. */
export interface Labels {
  numbers: Uint16Array;
  regions: number;
  names: string[];
}

/** What stands for a blurred map where patches have their side. */
export const BLURRED = -2;
/** Standard deviation of the Gaussian that blurs, in pixels. */
const SIGMA = 4;

/** A map as sums over regions: one value for each region, and the same for each pixel. */
export interface Regions {
  sums: RawMap;
  shown: RawMap;
  /** Pixels of the largest region, whose rounding adds up; 0 of pixels themselves, which are rounded to the inside. */
  largest: number;
  /** Where regions are no squares. */
  labels?: Labels;
}

/** A half-open rectangle of pixels. */
export interface Rectangle {
  x_min: number;
  y_min: number;
  x_max: number;
  y_max: number;
}

/** What lies in a rectangle: sums in units of the output. */
export interface Sums {
  pixels: number;
  sum: number;
  abs_sum: number;
  /** How far the sum of the integers' values can be from that of the stored map. */
  bound: number;
}

/**
 * Unpack a map: base64 of a zlib stream of all low bytes, then all high bytes, of little-endian 16-bit integers.
 * Throws where it does not hold `width * height` of them.
 */
export async function unpack(text: string, scale: number, width: number, height: number): Promise<RawMap> {
  const integers = new Int16Array((await unpackWords(text, width * height)).buffer);
  return { width, height, integers, scale };
}

/** Unpack integers of 16 bits without a sign, packed as maps are. Throws where there are not `size` of them. */
export async function unpackWords(text: string, size: number): Promise<Uint16Array<ArrayBuffer>> {
  const packed = Uint8Array.from(atob(text.trim()), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  if (bytes.length !== 2 * size) throw new Error(`a map holds ${bytes.length} bytes, not ${2 * size}`);
  const words = new Uint16Array(size);
  for (let i = 0; i < size; i++) words[i] = bytes[i]! | (bytes[size + i]! << 8);
  return words;
}

/**
 * Add up a map over patches of `size` pixels a side, which begin at its upper left corner; those at the right and
 * lower edges have what pixels are left. Where there are labels, over their regions instead. Sums of integers are
 * exact. Of size 1 both are the map itself, and of `BLURRED` the map blurred.
 */
export function regionsOf(map: RawMap, size: number, labels?: Labels): Regions {
  if (size === BLURRED) {
    const shown = blurred(map);
    return { sums: shown, shown, largest: 1 };
  }
  if (size === 1 && !labels) return { sums: map, shown: map, largest: 0 };
  const width = labels ? labels.regions : Math.ceil(map.width / size);
  const height = labels ? 1 : Math.ceil(map.height / size);
  const sums = new Float64Array(width * height);
  const shown = new Float64Array(map.integers.length);
  const region = (i: number): number => {
    if (labels) return labels.numbers[i]!;
    const y = Math.floor(i / map.width);
    return Math.floor(y / size) * width + Math.floor((i - y * map.width) / size);
  };
  for (let i = 0; i < shown.length; i++) sums[region(i)]! += map.integers[i]!;
  for (let i = 0; i < shown.length; i++) shown[i] = sums[region(i)]!;
  const added = { width, height, integers: sums, scale: map.scale };
  const largest = labels ? largestOf(labels) : size * size;
  return { sums: added, shown: { ...map, integers: shown }, largest, ...(labels && { labels }) };
}

/**
 * Blur a map by a Gaussian that is cut off at four standard deviations and mirrored at the edges, the outermost pixel
 * with it, so that the sum stays.
 */
function blurred(map: RawMap): RawMap {
  const { width, height } = map;
  const integers = alongLines(alongLines(map.integers, width, 1, height, width), height, width, width, 1);
  return { ...map, integers };
}

/** Blur each of some lines, which begin `next` apart, of `side` values that lie `step` apart. */
function alongLines(
  values: ArrayLike<number>,
  side: number,
  step: number,
  lines: number,
  next: number,
): Float64Array {
  const reach = 4 * SIGMA;
  const bell = Float64Array.from({ length: 2 * reach + 1 }, (_, k) =>
    Math.exp(-0.5 * ((k - reach) / SIGMA) ** 2),
  );
  const total = bell.reduce((sum, weight) => sum + weight);
  const weights = bell.map((weight) => weight / total);
  const places = Array.from({ length: side + 2 * reach }, (_, i) => {
    const place = (((i - reach) % (2 * side)) + 2 * side) % (2 * side);
    return step * Math.min(place, 2 * side - 1 - place);
  });
  const blurred = new Float64Array(values.length);
  const line = new Float64Array(places.length);
  for (let first = 0; first < lines * next; first += next) {
    for (let i = 0; i < line.length; i++) line[i] = values[first + places[i]!]!;
    for (let i = 0; i < side; i++) {
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += weights[k]! * line[i + k]!;
      blurred[first + i * step] = sum;
    }
  }
  return blurred;
}

function largestOf({ numbers, regions }: Labels): number {
  const pixels = new Uint32Array(regions);
  for (const number of numbers) pixels[number]! += 1;
  return Math.max(...pixels);
}

/** Add up the region of a map that a pixel is in: a patch of `size` pixels a side, or that of the labels. */
export function regionAt(map: RawMap, x: number, y: number, size: number, labels?: Labels): Sums {
  if (!labels) {
    const [left, top] = [x - (x % size), y - (y % size)];
    const [right, bottom] = [Math.min(left + size, map.width), Math.min(top + size, map.height)];
    return sumsIn(map, { x_min: left, y_min: top, x_max: right, y_max: bottom });
  }
  const here = labels.numbers[y * map.width + x];
  const found = { pixels: 0, sum: 0, abs_sum: 0 };
  for (let i = 0; i < map.integers.length; i++) {
    if (labels.numbers[i] !== here) continue;
    const value = map.integers[i]!;
    found.pixels += 1;
    found.sum += value;
    found.abs_sum += value < 0 ? -value : value;
  }
  const { pixels, sum, abs_sum } = found;
  return { pixels, sum: sum * map.scale, abs_sum: abs_sum * map.scale, bound: pixels * precision(map) };
}

/** Return the value of a pixel, in units of the output. */
export function valueAt(map: RawMap, x: number, y: number): number {
  return map.integers[y * map.width + x]! * map.scale;
}

/** Return the largest distance of a value from the stored one: half of a step. */
export function precision(map: RawMap): number {
  return map.scale / 2;
}

/** Return how far beyond the ends of the stored map a value can be. */
export function slackOf(regions: Regions): number {
  return regions.largest * precision(regions.sums);
}

/** Add up a rectangle that lies within the map. The integers' sums are exact, so its only error is the rounding. */
export function sumsIn(map: RawMap, box: Rectangle): Sums {
  let sum = 0;
  let magnitude = 0;
  for (let y = box.y_min; y < box.y_max; y++) {
    for (let i = y * map.width + box.x_min; i < y * map.width + box.x_max; i++) {
      const value = map.integers[i]!;
      sum += value;
      magnitude += value < 0 ? -value : value;
    }
  }
  const pixels = (box.x_max - box.x_min) * (box.y_max - box.y_min);
  return { pixels, sum: sum * map.scale, abs_sum: magnitude * map.scale, bound: pixels * precision(map) };
}

/** The whole of a map. */
export function wholeOf(map: { width: number; height: number }): Rectangle {
  return { x_min: 0, y_min: 0, x_max: map.width, y_max: map.height };
}
