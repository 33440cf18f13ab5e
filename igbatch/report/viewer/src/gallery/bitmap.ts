/** A few pixels as a picture. Hundreds of canvases hold a browser up for seconds while it scrolls; pictures do not. */

const HEADER = 54;

/** Return pixels, RGBA row by row, as the data URI of a BMP with 24 bits a pixel; opacity is left out. */
export function bitmapUri(pixels: Uint8ClampedArray, width: number, height: number): string {
  const row = 4 * Math.ceil((3 * width) / 4);
  const bytes = new Uint8Array(HEADER + row * height);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0x424d); // "BM"
  for (const [at, value] of [
    [2, bytes.length],
    [10, HEADER],
    [14, 40], // of the second part of the header
    [18, width],
    [22, -height], // from the top
    [26, 1 | (24 << 16)], // one plane, 24 bits
    [34, row * height],
  ] as const)
    view.setInt32(at, value, true);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = 4 * (y * width + x);
      bytes.set([pixels[from + 2]!, pixels[from + 1]!, pixels[from]!], HEADER + y * row + 3 * x);
    }
  }
  return `data:image/bmp;base64,${btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""))}`;
}
