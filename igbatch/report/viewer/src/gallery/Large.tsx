/** One image at large: its picture, the maps of all targets of a variant, and every number that is stored of it. */

import { useEffect, useRef } from "preact/hooks";

import type { Colors } from "../colors.ts";
import { ColorBar } from "../components/ColorBar.tsx";
import type { GalleryStudy } from "../gallery_types.ts";
import { commonLimits, commonRange, imageLimits } from "./ranges.ts";
import { mapAt } from "./rows.ts";
import type { Unpacked } from "./set_store.ts";
import { Thumb } from "./Thumb.tsx";
import { type GalleryView, viewerLink } from "./view.ts";
import { absence, stored } from "./words.ts";

export interface LargeProps {
  study: GalleryStudy;
  view: GalleryView;
  unpacked: Unpacked;
  colors: Colors;
  place: number;
  /** Open the image before (-1) or after (1) this one; undefined where there is none. */
  step: (by: -1 | 1) => (() => void) | undefined;
  close: () => void;
}

export function Large({ study, view, unpacked, colors, place, step, close }: LargeProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current!.showModal(), []);
  const image = study.images[place]!;
  const variant = study.variants[view.variant]!;
  const sets = study.sets.flatMap((set, at) => (set.variant === view.variant ? [{ set, at }] : []));
  const limits = imageLimits(study, view, unpacked, place);
  const ends = new Set([...limits.values()].map(({ low, high }) => `${low} ${high}`));
  const common = ends.size === 1 ? commonRange(study, view) : null; // one bar where all have one scale
  const link = viewerLink(study, view, place);
  const ofImage = study.numbers.filter((each) => each.of === "image" && study.values[each.key]);
  const ofMaps = study.numbers.filter(({ key }) => sets.some(({ set }) => set.values[key]?.[place] != null));
  const keys = (event: KeyboardEvent): void => {
    const go = event.key === "ArrowLeft" ? step(-1) : event.key === "ArrowRight" ? step(1) : undefined;
    if (!go) return;
    event.preventDefault();
    go();
  };
  return (
    <dialog ref={dialog} class="large" aria-labelledby="large-title" onClose={close} onKeyDown={keys}>
      <div class="tools">
        <button type="button" disabled={!step(-1)} onClick={() => step(-1)?.()} aria-label="Previous image">
          ‹
        </button>
        <button type="button" disabled={!step(1)} onClick={() => step(1)?.()} aria-label="Next image">
          ›
        </button>
        {link && <a href={link}>Open in the viewer</a>}
        <button type="button" class="close" onClick={() => dialog.current!.close()}>
          Close
        </button>
      </div>
      <h2 id="large-title">{image.name}</h2>
      <p class="faint">
        {image.label && `labelled ${image.label}; `}
        {variant.name} predicts {variant.predictions[place] || "nothing: no row"}
      </p>
      <div class="panels">
        <figure>
          {image.picture ? (
            <img src={image.picture} alt={image.name} />
          ) : (
            <p class="missing">{image.missing}</p>
          )}
          <figcaption>picture</figcaption>
        </figure>
        {sets.map(({ set, at }) => {
          const integers = unpacked.get(at);
          const map = integers && mapAt(set, integers, place);
          const target = study.targets[set.target]!.name;
          const own = limits.get(set.target);
          return (
            <figure key={at} data-target={target}>
              {map && own ? (
                <Thumb
                  map={map}
                  limits={own}
                  colors={colors}
                  label={`Map of ${image.name}, target ${target}`}
                />
              ) : (
                <p class="missing">{absence(set, place)}</p>
              )}
              <figcaption>{target}</figcaption>
              {map && own && !common && <ColorBar limits={own} level={1} colors={colors} shared={null} />}
            </figure>
          );
        })}
      </div>
      {common && <ColorBar limits={commonLimits(common, view)} level={1} colors={colors} shared={null} />}
      <section class="scroll" tabIndex={0} aria-label="Numbers of the maps">
        <table>
          <thead>
            <tr>
              <th scope="col">{variant.name}</th>
              {sets.map(({ set, at }) => (
                <th key={at} scope="col" class="number">
                  {study.targets[set.target]!.name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {ofMaps.map(({ key, title, words }) => (
              <tr key={key}>
                <th scope="row" title={words}>
                  {title}
                </th>
                {sets.map(({ set, at }) => (
                  <td key={at} class={`number${(set.values[key]?.[place] ?? 0) < 0 ? " negative" : ""}`}>
                    {stored(set.values[key]?.[place])}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      {ofImage.length > 0 && (
        <dl>
          {ofImage.map(({ key, title, words }) => (
            <div key={key}>
              <dt title={words}>{title}</dt>
              <dd>{stored(study.values[key]![place])}</dd>
            </div>
          ))}
        </dl>
      )}
    </dialog>
  );
}
