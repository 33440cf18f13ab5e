/** A grid of cards, of which those alone are there that are in sight; arrow keys move between them. */

import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

const GAP = 10; // px
const AHEAD = 1; // screens above and below what is in sight

export interface GridProps {
  /** What changes with the order of the cards: the first one is reached by Tab then. */
  order: string;
  count: number;
  label: string;
  /** Least width of a card in px. */
  least: number;
  /** Return the height of a card of a width, in px. */
  heightOf: (width: number) => number;
  /** Return the content of a card; `reach` goes to what is focused in it. */
  card: (place: number, reach: { tabIndex: number; "data-card": number }) => ComponentChildren;
}

export function Grid({ order, count, label, least, heightOf, card }: GridProps) {
  const list = useRef<HTMLUListElement>(null);
  const [room, setRoom] = useState({ width: 0, top: 0, height: 0 });
  const [active, setActive] = useState(0);
  const wanted = useRef(false);
  useLayoutEffect(() => {
    let frame = 0;
    const measure = (): void => {
      frame = 0;
      const { width, top } = list.current!.getBoundingClientRect();
      setRoom((old) =>
        old.width === width && old.top === top && old.height === innerHeight
          ? old
          : { width, top, height: innerHeight },
      );
    };
    const later = (): void => {
      frame ||= requestAnimationFrame(measure);
    };
    measure();
    addEventListener("scroll", later, { passive: true });
    addEventListener("resize", later);
    const moved = new ResizeObserver(later); // what stands above it opened or closed
    moved.observe(document.body);
    return () => {
      cancelAnimationFrame(frame);
      removeEventListener("scroll", later);
      removeEventListener("resize", later);
      moved.disconnect();
    };
  }, []);
  useEffect(() => setActive(0), [order]);
  const across = Math.max(1, Math.floor((room.width + GAP) / (least + GAP)));
  const width = (room.width - GAP * (across - 1)) / across;
  const high = heightOf(width) + GAP;
  const rows = Math.ceil(count / across);
  const first = Math.max(0, Math.floor((-room.top - AHEAD * room.height) / high));
  const last = Math.min(rows, Math.ceil((-room.top + (1 + AHEAD) * room.height) / high));
  const start = first * across;
  const end = room.width ? Math.min(count, last * across) : 0;
  const reached = active >= start && active < end ? active : start;
  useEffect(() => {
    if (!wanted.current) return;
    const found = list.current!.querySelector<HTMLElement>(`[data-card="${active}"]`);
    if (!found) return;
    wanted.current = false;
    found.focus({ preventScroll: true });
  });
  const go = (to: number): void => {
    const place = Math.min(Math.max(to, 0), count - 1);
    const top = list.current!.getBoundingClientRect().top + Math.floor(place / across) * high;
    if (top < 0) scrollBy(0, top - GAP);
    else if (top + high > innerHeight) scrollBy(0, top + high - innerHeight + GAP);
    wanted.current = true;
    setActive(place);
  };
  const move = (event: KeyboardEvent): void => {
    const page = across * Math.max(1, Math.floor(innerHeight / high));
    const steps: Record<string, number> = {
      ArrowLeft: -1,
      ArrowRight: 1,
      ArrowUp: -across,
      ArrowDown: across,
      PageUp: -page,
      PageDown: page,
      Home: -count,
      End: count,
    };
    const step = steps[event.key];
    if (step === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const from = Number((event.target as HTMLElement).closest<HTMLElement>("[data-card]")?.dataset.card ?? 0);
    go(from + step);
  };
  const cards = Array.from({ length: Math.max(0, end - start) }, (_, nth) => {
    const place = start + nth;
    const at = { left: (place % across) * (width + GAP), top: Math.floor(place / across) * high };
    return (
      <li
        key={place}
        aria-setsize={count}
        aria-posinset={place + 1}
        style={{
          transform: `translate(${at.left}px, ${at.top}px)`,
          width: `${width}px`,
          height: `${high - GAP}px`,
        }}
        onFocusCapture={() => setActive(place)}
      >
        {card(place, { tabIndex: place === reached ? 0 : -1, "data-card": place })}
      </li>
    );
  });
  return (
    <ul ref={list} class="grid" aria-label={label} style={{ height: `${rows * high}px` }} onKeyDown={move}>
      {cards}
    </ul>
  );
}
