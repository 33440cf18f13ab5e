/** The gallery: choices, mean maps, and the images as cards. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";

import { colorsOf } from "../colors.ts";
import { ColorBar } from "../components/ColorBar.tsx";
import type { GalleryStudy } from "../gallery_types.ts";
import { Choices } from "./Choices.tsx";
import { Grid } from "./Grid.tsx";
import { Large } from "./Large.tsx";
import { Means, meanSets } from "./Means.tsx";
import { commonLimits, commonRange, countBeyond, imageLimits, rangeWords } from "./ranges.ts";
import { mapAt, placesOf, setOf, valuesOf } from "./rows.ts";
import { useSets } from "./set_store.ts";
import { Thumb } from "./Thumb.tsx";
import { firstView, fromFragment, type GalleryView, isView, toFragment, viewerLink } from "./view.ts";
import { absence, beyondWords, countWords, mapWords, stored } from "./words.ts";

const LINK_DELAY = 250; // ms; browsers refuse an address that changes with every letter
const CAPTION = 62; // px, of a card's lines
const EDGE = 14; // px, of a card's border and padding
const LEAST = { both: 240, map: 132, picture: 132 };

export function Gallery({ study, ready }: { study: GalleryStudy; ready: () => void }) {
  const { view, change } = useGalleryView(study);
  const [opened, setOpened] = useState<number | null>(null);
  const [meaning, setMeaning] = useState(false);
  const wide = useMemo(() => matchMedia("(min-width: 900px)").matches, []);
  const set = setOf(study, view);
  const ofVariant = study.sets.flatMap((each, at) => (each.variant === view.variant ? [at] : []));
  const own = view.scope === "pair" || view.scope === "targets" || opened !== null;
  const chosen = ofVariant.filter((at) => own || study.sets[at] === set);
  const unpacked = useSets(study, [...new Set([...chosen, ...(meaning ? meanSets(study, view) : [])])]);
  const { variant, target, sort, descending, filter, from, to, label, prediction, text } = view;
  const places = useMemo(
    () => placesOf(study, view),
    [variant, target, sort, descending, filter, from, to, label, prediction, text],
  );
  const palette = study.knobs.palettes.find((each) => each.palette === view.palette)!;
  const colors = useMemo(() => colorsOf(palette), [palette]);
  const range = commonRange(study, view);
  const integers = set && unpacked.get(study.sets.indexOf(set));
  const held = ofVariant.filter((at) => unpacked.has(at)).length;
  const { scope, rule, percentile } = view;
  const outside = useMemo(
    () =>
      set && (rule === "percentile" || scope === "raw")
        ? beyondWords(
            study,
            ...countBeyond(study, view, set, unpacked, places),
            "of the maps of these images",
          )
        : "",
    [set, held, places, scope, rule, percentile],
  );
  const drawn = set?.scales.some((scale) => scale !== null) ?? false;
  useEffect(() => {
    if (!drawn || view.show === "picture" || !places.length) ready();
  }, []);
  const sorted = view.sort ? valuesOf(study, view, view.sort) : null;
  const name = study.numbers.find((each) => each.key === view.sort)?.title ?? "";
  const aspect = set?.width ? set.height / set.width : 1;
  const card = (nth: number, reach: { tabIndex: number; "data-card": number }) => {
    const place = places[nth]!;
    const image = study.images[place]!;
    const map = set && integers ? mapAt(set, integers, place) : null;
    const limits =
      map && (range ? commonLimits(range, view) : imageLimits(study, view, unpacked, place).get(view.target));
    const link = viewerLink(study, view, place);
    const content = (
      <>
        <span class="thumbs" style={{ aspectRatio: `${view.show === "both" ? 2 : 1} / ${aspect}` }}>
          {view.show !== "map" &&
            (image.picture ? (
              <img src={image.picture} alt="" />
            ) : (
              <span class="missing">{image.missing}</span>
            ))}
          {view.show !== "picture" &&
            (map && limits ? (
              <Thumb map={map} limits={limits} colors={colors} label="" drawn={ready} />
            ) : (
              <span class="missing">{set ? absence(set, place) : "No map."}</span>
            ))}
        </span>
        <span class="name">{image.name}</span>
        <span class="faint">{captionOf(study, view, place)}</span>
        <span class="faint">
          {sorted && `${name} ${stored(sorted[place])}`}
          {!sorted && link && "in the viewer ›"}
        </span>
      </>
    );
    return link ? (
      <a class="card" href={link} {...reach}>
        {content}
      </a>
    ) : (
      <button type="button" class="card" onClick={() => setOpened(place)} {...reach}>
        {content}
      </button>
    );
  };
  const step = (by: -1 | 1) => {
    const next = opened === null ? undefined : places[places.indexOf(opened) + by];
    return next === undefined ? undefined : () => setOpened(next);
  };
  return (
    <div class="gallery">
      <details open={wide}>
        <summary>Choices</summary>
        <Choices study={study} view={view} change={change} />
      </details>
      <div class="statement">
        <p aria-live="polite" id="count">
          {countWords(study, view, set, places)} {set && mapWords(study, set)}
        </p>
        <p>{rangeWords(study, view)}</p>
        {outside && <p>{outside}</p>}
        {range && <ColorBar limits={commonLimits(range, view)} level={1} colors={colors} shared={null} />}
      </div>
      {study.sets.length > 0 && (
        <details onToggle={(event) => setMeaning(event.currentTarget.open)}>
          <summary>Mean maps of groups of these images</summary>
          {meaning && <Means {...{ study, view, places, unpacked, colors, change }} />}
        </details>
      )}
      <p class="faint hint-line">
        Arrow keys, Page Up and Page Down move between the images, Enter opens one: in the report's viewer
        where that shows it, else here with its numbers.
      </p>
      <Grid
        order={`${view.sort} ${view.descending} ${places.length}`}
        count={places.length}
        label="Images"
        least={LEAST[view.show]}
        heightOf={(width) => {
          const inner = width - EDGE;
          return EDGE + CAPTION + (view.show === "both" ? ((inner - 4) / 2) * aspect : inner * aspect);
        }}
        card={card}
      />
      {opened !== null && (
        <Large {...{ study, view, unpacked, colors, step }} place={opened} close={() => setOpened(null)} />
      )}
    </div>
  );
}

/** Say what an image is labelled and predicted as: once where both are the same. */
function captionOf(study: GalleryStudy, view: GalleryView, place: number): string {
  const { label } = study.images[place]!;
  const prediction = study.variants[view.variant]?.predictions[place] ?? "";
  if (label && label === prediction) return `${label}, predicted so`;
  return [label, prediction && `predicted ${prediction}`].filter(Boolean).join(", ");
}

/** The view, kept in the address of the page once the reader has changed it. */
function useGalleryView(study: GalleryStudy): {
  view: GalleryView;
  change: (part: Partial<GalleryView>) => void;
} {
  const [view, setView] = useState(() =>
    isView(location.hash) ? fromFragment(study, location.hash) : firstView(study),
  );
  const changed = useRef(false);
  const change = (part: Partial<GalleryView>): void => {
    changed.current = true;
    setView((old) => ({ ...old, ...part }));
  };
  useEffect(() => {
    if (!changed.current) return;
    const timer = setTimeout(() => history.replaceState(null, "", toFragment(study, view)), LINK_DELAY);
    return () => clearTimeout(timer);
  }, [view]);
  return { view, change };
}
