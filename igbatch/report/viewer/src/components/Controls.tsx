/** The knobs: what is shown, which range, how it becomes colours. Native controls, so that every reader's tools know them. */

import { number } from "../format.ts";
import { type Normalization, PARTS, type Part, type Style } from "../look.ts";
import type { Study, StudyImage } from "../study.ts";
import { MOST_BLUR, SIZES, type View } from "../view.ts";
import { Check, Choice, Slider } from "./knobs.tsx";
import { NormalizationChoice } from "./NormalizationChoice.tsx";

export interface ControlsProps {
  study: Study;
  image: StudyImage;
  view: View;
  change: (part: Partial<View>) => void;
}

const PART_TITLES: Record<Part, string> = {
  signed: "signed",
  positive: "positive only",
  negative: "negative only",
  absolute: "absolute",
};

export function Controls({ study, image, view, change }: ControlsProps) {
  const variants = image.variants.map((place) => study.variants[place.variant]!);
  const style = (part: Partial<Style>): void => change({ style: { ...view.style, ...part } });
  return (
    <form class="controls" aria-label="What the maps show" onSubmit={(event) => event.preventDefault()}>
      <fieldset>
        <legend>Image</legend>
        <ImageChoice study={study} view={view} change={change} />
        {image.chosen && <p class="hint">Shown here: {image.chosen}.</p>}
      </fieldset>
      <Names
        legend="Variants (rows)"
        all={variants}
        chosen={view.variants}
        change={(ids) => change({ variants: ids })}
      />
      <Names
        legend="Targets (columns)"
        all={study.targets}
        chosen={view.targets}
        change={(ids) => change({ targets: ids })}
      />
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
        <Choice
          name="palette"
          label="Colour map"
          value={view.style.palette}
          change={(palette) => style({ palette })}
          options={study.palettes.map((palette) => [palette.name, palette.title])}
        />
        <Choice
          name="part"
          label="Values"
          value={view.style.part}
          change={(part) => style({ part: part as Part })}
          options={PARTS.map((part) => [part, PART_TITLES[part]])}
        />
        <Slider
          name="level"
          label="Level"
          low={1}
          high={20}
          step={0.5}
          value={view.style.level}
          text={`× ${number(view.style.level, 2)}`}
          change={(level) => style({ level })}
        />
        <Slider
          name="opacity"
          label="Opacity over the photograph"
          low={0}
          high={1}
          step={0.05}
          value={view.style.opacity}
          text={`${Math.round(100 * view.style.opacity)} %`}
          change={(opacity) => style({ opacity })}
        />
        <Slider
          name="contour"
          label="Contour of the strongest"
          low={0}
          high={50}
          step={1}
          value={view.style.contour}
          text={view.style.contour ? `${view.style.contour} %` : "none"}
          change={(contour) => style({ contour })}
        />
        {view.style.contour > 0 && (
          <Slider
            name="blur"
            label="Contour of means within"
            low={0}
            high={MOST_BLUR}
            step={1}
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
          options={SIZES.map((size) => [String(size), size === 1 ? "normal" : `${size} times as wide`])}
        />
        <Check name="outlines" checked={view.outlines} change={(outlines) => change({ outlines })}>
          boxes of the data set
        </Check>
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

/** Return a normalization to stand beside one: the map's own where that is another, and the study's elsewhere. */
function otherThan(chosen: Normalization): Normalization {
  return { ...chosen, scope: chosen.scope === "image" ? "dataset" : "image" };
}
