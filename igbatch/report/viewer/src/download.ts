/** Files that the reader takes along; they are made in the page and sent nowhere. */

/** Save a text as a file. */
export function save(text: string, type: string, name: string): void {
  offer(new Blob([text], { type: `${type};charset=utf-8` }), name);
}

/** Save a canvas as a PNG file. */
export function saveCanvas(canvas: Promise<HTMLCanvasElement>, name: string): void {
  void canvas.then((drawn) => drawn.toBlob((blob) => blob && offer(blob, name), "image/png"));
}

function offer(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
