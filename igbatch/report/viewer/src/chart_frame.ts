/** What all charts share: they follow their width, keep to the page's policy, and are one image to screen readers. */

import * as Plot from "@observablehq/plot";

const followed = new WeakMap<HTMLElement, ResizeObserver>();

/** Empty a place and no longer follow its width. */
export function leave(place: HTMLElement): void {
  followed.get(place)?.disconnect();
  followed.delete(place);
  place.replaceChildren();
}

/** Put what `draw` gives into a place, now and whenever its width changes. */
export function follow(place: HTMLElement, draw: (width: number) => Element): void {
  followed.get(place)?.disconnect();
  let drawn = 0;
  const redraw = (): void => {
    const width = Math.floor(place.clientWidth);
    if (width === drawn || width < 1) return; // hidden, or as it was
    drawn = width;
    place.replaceChildren(withoutStyles(draw(width)));
  };
  const observer = new ResizeObserver(redraw);
  followed.set(place, observer);
  observer.observe(place);
  redraw();
}

/** Take away the style sheets that Plot puts into what it draws: the page's policy refuses them. */
function withoutStyles(drawn: Element): Element {
  for (const sheet of drawn.querySelectorAll("style")) sheet.remove();
  return drawn;
}

/** Draw with Plot, as one image to screen readers. */
export function chart(options: Plot.PlotOptions): Element {
  const drawn = Plot.plot({ className: "chart", ...options });
  const svg = drawn instanceof SVGElement ? drawn : drawn.querySelector(":scope > svg");
  svg?.setAttribute("role", "img");
  for (const part of svg?.querySelectorAll("g[aria-label]") ?? []) {
    part.setAttribute("data-mark", part.getAttribute("aria-label")!);
    part.removeAttribute("aria-label"); // a part of an image has no name of its own
  }
  return drawn;
}
