/** Raw maps: 16-bit integers with one scale, unpacked from the page. */

/** One map, row by row; a value is `integers[i] * scale`, in units of the output. */
export interface RawMap {
  width: number;
  height: number;
  integers: Int16Array | Int32Array;
  scale: number;
}

/** A map as sums over square patches: one value for each patch, and the same for each pixel. */
export interface Regions {
  sums: RawMap;
  shown: RawMap;
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
  const packed = Uint8Array.from(atob(text.trim()), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  const size = width * height;
  if (bytes.length !== 2 * size) throw new Error(`a map holds ${bytes.length} bytes, not ${2 * size}`);
  const integers = new Int16Array(size);
  for (let i = 0; i < size; i++) integers[i] = bytes[i]! | (bytes[size + i]! << 8);
  return { width, height, integers, scale };
}

/**
 * Add up a map over patches of `size` pixels a side, which begin at its upper left corner; those at the right and
 * lower edges have what pixels are left. Sums of integers are exact. Of size 1 both are the map itself.
 */
export function regionsOf(map: RawMap, size: number): Regions {
  if (size === 1) return { sums: map, shown: map };
  const width = Math.ceil(map.width / size);
  const height = Math.ceil(map.height / size);
  const sums = new Int32Array(width * height);
  const shown = new Int32Array(map.integers.length);
  const patch = (i: number): number => {
    const y = Math.floor(i / map.width);
    return Math.floor(y / size) * width + Math.floor((i - y * map.width) / size);
  };
  for (let i = 0; i < shown.length; i++) sums[patch(i)]! += map.integers[i]!;
  for (let i = 0; i < shown.length; i++) shown[i] = sums[patch(i)]!;
  return { sums: { width, height, integers: sums, scale: map.scale }, shown: { ...map, integers: shown } };
}

/** Return the value of a pixel, in units of the output. */
export function valueAt(map: RawMap, x: number, y: number): number {
  return map.integers[y * map.width + x]! * map.scale;
}

/** Return the largest distance of a value from the stored one: half of a step. */
export function precision(map: RawMap): number {
  return map.scale / 2;
}

/** Return how far a sum over a patch can be from that of the stored map; 0 of pixels, which are rounded to the inside. */
export function slackOf(regions: Regions, size: number): number {
  return size === 1 ? 0 : size * size * precision(regions.sums);
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
