/** What a reader chooses in the gallery: whose maps, in which order, which of them, and their colours. */

import { Choice, Slider } from "../components/knobs.tsx";
import type { GalleryStudy } from "../gallery_types.ts";
import type { Rule, Scope } from "../style.ts";
import { fitted, type GalleryView, SHOWS, type Show, scopesOf } from "./view.ts";

export interface ChoicesProps {
  study: GalleryStudy;
  view: GalleryView;
  change: (part: Partial<GalleryView>) => void;
}

export function Choices({ study, view, change }: ChoicesProps) {
  const sets = study.sets.filter((set) => set.variant === view.variant);
  const variants = study.variants.map((each, place): [string, string] => [String(place), each.name]);
  const held = variants.filter(([place]) => study.sets.some((set) => set.variant === Number(place)));
  const { scopes, rules, palettes, limits } = study.knobs;
  const numbers = study.numbers.map(({ key, title }): [string, string] => [key, title]);
  const labels = sorted(study.images.map((image) => image.label));
  const predictions = sorted(study.variants[view.variant]?.predictions ?? []);
  const words = study.numbers.find((each) => each.key === view.sort)?.words;
  return (
    <form class="choices" onSubmit={(event) => event.preventDefault()}>
      <fieldset>
        <legend>Maps</legend>
        <Choice
          name="variant"
          label="Variant"
          value={String(view.variant)}
          change={(variant) => change(fitted(study, { ...view, variant: Number(variant) }))}
          options={held}
        />
        <Choice
          name="target"
          label="Target"
          value={String(view.target)}
          change={(target) => change(fitted(study, { ...view, target: Number(target) }))}
          options={sets.map(({ target }) => [String(target), study.targets[target]!.name])}
        />
        <Choice
          name="show"
          label="Show"
          value={view.show}
          change={(show) => change({ show: show as Show })}
          options={SHOWS}
        />
      </fieldset>
      <fieldset>
        <legend>Order</legend>
        <Choice
          name="sort"
          label="By"
          value={view.sort}
          change={(sort) => change({ sort, descending: true })}
          options={[["", "the list of images"], ...numbers]}
        />
        <Choice
          name="descending"
          label="Direction"
          value={String(view.descending)}
          change={(down) => change({ descending: down === "true" })}
          options={
            view.sort
              ? [
                  ["true", "largest first"],
                  ["false", "smallest first"],
                ]
              : [
                  ["true", "from the first"],
                  ["false", "from the last"],
                ]
          }
        />
        {words && <p class="hint">{words}</p>}
      </fieldset>
      <fieldset>
        <legend>Which images</legend>
        <label class="row">
          <span>Name contains</span>
          <input
            type="search"
            name="text"
            value={view.text}
            onInput={(event) => change({ text: event.currentTarget.value })}
          />
        </label>
        {labels.length > 1 && (
          <Named name="label" of={labels} value={view.label} change={(label) => change({ label })} />
        )}
        {predictions.length > 1 && (
          <Named
            name="prediction"
            of={predictions}
            value={view.prediction}
            change={(prediction) => change({ prediction })}
          />
        )}
        <Choice
          name="filter"
          label="Number"
          value={view.filter}
          change={(filter) => change({ filter, from: null, to: null })}
          options={[["", "any"], ...numbers]}
        />
        {view.filter && (
          <div class="ends">
            <Bound name="from" value={view.from} change={(from) => change({ from })} />
            <Bound name="to" value={view.to} change={(to) => change({ to })} />
          </div>
        )}
      </fieldset>
      <fieldset>
        <legend>Colours</legend>
        <Choice
          name="scope"
          label="Range"
          value={view.scope}
          change={(scope) => change({ scope: scope as Scope })}
          options={scopesOf(study, view.variant, view.target).map((scope) => [
            scope,
            scopes.find((each) => each.scope === scope)!.title,
          ])}
        />
        {view.scope !== "raw" && (
          <Choice
            name="rule"
            label="Rule"
            value={view.rule}
            change={(rule) => change({ rule: rule as Rule })}
            options={rules
              .filter(({ rule }) => rule === "symmetric" || rule === "percentile")
              .map((each) => [each.rule, each.title.replaceAll("{p}", String(view.percentile))])}
          />
        )}
        {view.scope !== "raw" && view.rule === "percentile" && (
          <Slider
            name="percentile"
            knob={limits.percentile}
            value={view.percentile}
            text={`${view.percentile} % of |a|`}
            change={(percentile) => change({ percentile })}
          />
        )}
        <Choice
          name="palette"
          label="Colour map"
          value={view.palette}
          change={(palette) => change({ palette })}
          options={palettes.map(({ palette, title }) => [palette, title])}
        />
      </fieldset>
    </form>
  );
}

function Named({
  name,
  of,
  value,
  change,
}: {
  name: string;
  of: string[];
  value: string | null;
  change: (value: string | null) => void;
}) {
  // by place: no name can stand for "any"
  return (
    <Choice
      name={name}
      label={name === "label" ? "Label" : "Prediction"}
      value={value === null ? "" : String(of.indexOf(value))}
      change={(place) => change(place ? (of[Number(place)] ?? null) : null)}
      options={[["", "any"], ...of.map((each, place): [string, string] => [String(place), each || "none"])]}
    />
  );
}

function Bound({
  name,
  value,
  change,
}: {
  name: string;
  value: number | null;
  change: (value: number | null) => void;
}) {
  return (
    <label>
      {name}
      <input
        type="text"
        inputMode="decimal"
        name={name}
        value={value === null ? "" : String(value)}
        onChange={(event) => {
          const typed = event.currentTarget.value.trim().replace("−", "-");
          if (!typed) change(null);
          else if (Number.isFinite(Number(typed))) change(Number(typed));
          else event.currentTarget.value = value === null ? "" : String(value);
        }}
      />
    </label>
  );
}

function sorted(names: string[]): string[] {
  return [...new Set(names)].sort();
}
