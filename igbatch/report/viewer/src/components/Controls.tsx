/** The knobs: what is shown, which range, how it becomes colours. Native controls, so that every reader's tools know them. */

import { number } from "../format.ts";
import type { PageStudy, StudyImage } from "../study_types.ts";
import type { ColorStyle, Normalization, Part } from "../style.ts";
import { SIZES, type View } from "../view.ts";
import { Check, Choice, Slider } from "./knobs.tsx";
import { NormalizationChoice } from "./NormalizationChoice.tsx";

export interface ControlsProps {
  study: PageStudy;
  image: StudyImage;
  view: View;
  change: (part: Partial<View>) => void;
}

export function Controls({ study, image, view, change }: ControlsProps) {
  const variants = image.variants.map((place) => study.variants[place.variant]!);
  const { regions, parts, palettes, limits } = study.knobs;
  const style = (part: Partial<ColorStyle>): void => change({ style: { ...view.style, ...part } });
  return (
    <form class="controls" aria-label="What the maps show" onSubmit={(event) => event.preventDefault()}>
      <fieldset>
        <legend>Image</legend>
        <ImageChoice study={study} view={view} change={change} />
        {image.chosen && <p class="hint">Shown here: {image.chosen}.</p>}
      </fieldset>
      <Names
        legend={`${study.noun[0]!.toUpperCase()}${study.noun.slice(1)}s${study.targets.length > 1 ? " (rows)" : ""}`}
        all={variants}
        chosen={view.variants}
        change={(ids) => change({ variants: ids })}
      />
      {study.targets.some((each) => each.name) && (
        <Names
          legend="Targets (columns)"
          all={study.targets}
          chosen={view.targets}
          change={(ids) => change({ targets: ids })}
        />
      )}
      <NormalizationChoice
        legend="Normalization"
        name="first"
        study={study}
        view={view}
        chosen={view.normalization}
        change={(normalization) => change({ normalization })}
      />
      <fieldset>
        <legend>Side by side</legend>
        <Check
          checked={view.beside !== null}
          change={(on) => change({ beside: on ? otherThan(view.normalization) : null })}
        >
          each map under two normalizations
        </Check>
      </fieldset>
      {view.beside && (
        <NormalizationChoice
          legend="Second normalization"
          name="second"
          study={study}
          view={view}
          chosen={view.beside}
          change={(beside) => change({ beside })}
        />
      )}
      <fieldset>
        <legend>Colours</legend>
        {regions.length > 1 && (
          <Choice
            name="regions"
            label="Regions"
            value={String(view.style.regions)}
            change={(size) => style({ regions: Number(size) })}
            options={regions.map(({ size, title }) => [String(size), title])}
          />
        )}
        {study.knobs.sentences.lacking && <p class="hint">{study.knobs.sentences.lacking}</p>}
        <Choice
          name="palette"
          label="Colour map"
          value={view.style.palette}
          change={(palette) => style({ palette })}
          options={palettes.map(({ palette, title }) => [palette, title])}
        />
        <Choice
          name="part"
          label="Values"
          value={view.style.part}
          change={(part) => style({ part: part as Part })}
          options={parts.map(({ part, title }) => [part, title])}
        />
        <Slider
          name="level"
          knob={limits.level}
          value={view.style.level}
          text={`× ${number(view.style.level, 2)}`}
          change={(level) => style({ level })}
        />
        <Slider
          name="opacity"
          knob={limits.opacity}
          value={view.style.opacity}
          text={`${Math.round(100 * view.style.opacity)} %`}
          change={(opacity) => style({ opacity })}
        />
        <Slider
          name="contour"
          knob={limits.contour}
          value={view.style.contour}
          text={view.style.contour ? `${view.style.contour} %` : "none"}
          change={(contour) => style({ contour })}
        />
        {view.style.contour > 0 && view.style.regions === 1 && (
          <Slider
            name="blur"
            knob={limits.blur}
            value={view.style.blur}
            text={view.style.blur ? `${view.style.blur} pixels` : "a pixel"}
            change={(blur) => style({ blur })}
          />
        )}
        <Choice
          name="size"
          label="Size on screen"
          value={String(view.size)}
          change={(size) => change({ size: Number(size) })}
          options={SIZES.map((size) => [
            String(size),
            size === 1 ? "as wide as fits" : `${size} times as wide`,
          ])}
        />
        {image.frames.some((frame) => frame.boxes.length) && (
          <Check name="outlines" checked={view.outlines} change={(outlines) => change({ outlines })}>
            boxes of the data set
          </Check>
        )}
      </fieldset>
    </form>
  );
}

function ImageChoice({ study, view, change }: Pick<ControlsProps, "study" | "view" | "change">) {
  const place = study.images.findIndex((image) => image.id === view.image);
  const go = (to: number): void => {
    const image = study.images[to];
    if (image) change({ image: image.id });
  };
  return (
    <div class="stepper">
      <button type="button" onClick={() => go(place - 1)} disabled={place <= 0} aria-label="Previous image">
        ‹
      </button>
      <select
        name="image"
        aria-label="Image"
        value={view.image}
        onChange={(event) => change({ image: event.currentTarget.value })}
      >
        {study.images.map((image) => (
          <option key={image.id} value={image.id}>
            {image.name}
          </option>
        ))}
      </select>
      <button
        type="button"
        onClick={() => go(place + 1)}
        disabled={place >= study.images.length - 1}
        aria-label="Next image"
      >
        ›
      </button>
    </div>
  );
}

function Names({
  legend,
  all,
  chosen,
  change,
}: {
  legend: string;
  all: { id: string; name: string }[];
  chosen: string[];
  change: (ids: string[]) => void;
}) {
  const here = all.filter((each) => chosen.includes(each.id)).length;
  const toggle = (id: string, on: boolean): void =>
    change(
      on
        ? all.map((each) => each.id).filter((each) => each === id || chosen.includes(each))
        : chosen.filter((each) => each !== id),
    );
  return (
    <fieldset class="names">
      <legend>{legend}</legend>
      {all.map(({ id, name }) => (
        <Check
          key={id}
          name={id}
          checked={chosen.includes(id)}
          change={(on) => toggle(id, on)}
          disabled={here === 1 && chosen.includes(id)}
        >
          {name}
        </Check>
      ))}
    </fieldset>
  );
}

/** Return a normalization to stand beside one: the per-map range where that is another, and the study's elsewhere. */
function otherThan(chosen: Normalization): Normalization {
  return { ...chosen, scope: chosen.scope === "image" ? "dataset" : "image" };
}
