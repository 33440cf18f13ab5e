/** Mean maps of groups of the images that are shown: of classes under one range, of each contrast under its own. */

import { beyond, type Colors } from "../colors.ts";
import { ColorBar } from "../components/ColorBar.tsx";
import { Choice } from "../components/knobs.tsx";
import { count, number } from "../format.ts";
import type { GalleryStudy } from "../gallery_types.ts";
import { ownLimits } from "./ranges.ts";
import { groupsOf, meanOf } from "./rows.ts";
import type { Unpacked } from "./set_store.ts";
import { Thumb } from "./Thumb.tsx";
import type { GalleryView } from "./view.ts";
import { beyondWords } from "./words.ts";

const MAX_GROUPS = 12;
const MAX_SETS = 6;

/** Return the places of the sets whose means are shown: all where they are few, else those of the variant in view. */
export function meanSets(study: GalleryStudy, view: GalleryView): number[] {
  const every = study.sets.map((_, at) => at);
  return every.length <= MAX_SETS ? every : every.filter((at) => study.sets[at]!.variant === view.variant);
}

/** Return what the maps of a set share a range with: all classes' (empty), or those of the same contrast. */
function rangeKey(study: GalleryStudy, at: number): string {
  const { alone, target } = study.sets[at]!;
  return alone ? study.targets[target]!.name : "";
}

export interface MeansProps {
  study: GalleryStudy;
  view: GalleryView;
  places: number[];
  unpacked: Unpacked;
  colors: Colors;
  change: (part: Partial<GalleryView>) => void;
}

export function Means({ study, view, places, unpacked, colors, change }: MeansProps) {
  const sets = meanSets(study, view);
  const every = groupsOf(study, view, places);
  const largest = [...every]
    .sort((one, other) => other.places.length - one.places.length)
    .slice(0, MAX_GROUPS);
  const groups = every.filter((group) => largest.includes(group));
  const rows = groups.map((group) => ({
    group,
    means: sets.map((at) => {
      const integers = unpacked.get(at);
      return integers ? meanOf(study.sets[at]!, integers, group.places) : null;
    }),
  }));
  const ranges = [...new Set(sets.map((at) => rangeKey(study, at)))].flatMap((key) => {
    const own = sets.flatMap((at, nth) => (rangeKey(study, at) === key ? [nth] : []));
    const maps = rows.flatMap((row) => own.flatMap((nth) => row.means[nth]?.map ?? []));
    return maps.length ? [{ key, maps, limits: ownLimits(maps, { ...view, scope: "dataset" }) }] : [];
  });
  const limitsOf = (at: number) => ranges.find(({ key }) => key === rangeKey(study, at))!.limits;
  const out = ranges.reduce(
    (sum, { maps, limits }) =>
      maps.reduce((found, map) => found + beyond(map, limits, "signed", map.scale), sum),
    0,
  );
  const all = ranges.reduce(
    (sum, { maps }) => maps.reduce((found, map) => found + map.integers.length, sum),
    0,
  );
  const clipped = beyondWords(study, out, all, "of these mean maps");
  const rule = study.knobs.rules.find((each) => each.rule === view.rule)!;
  const title = (at: number): string => {
    const { variant, target } = study.sets[at]!;
    return `${study.variants[variant]!.name}: ${study.targets[target]!.name}`;
  };
  return (
    <div class="means">
      <Choice
        name="group"
        label="Groups"
        value={view.group}
        change={(group) => change({ group })}
        options={[
          ["label", "label"],
          ["prediction", `prediction of ${study.variants[view.variant]!.name}`],
          ...study.numbers.map(({ key, title }): [string, string] => [key, `quarters: ${title}`]),
        ]}
      />
      <p>
        {study.words.mean} {rule.words.replaceAll("{p}", String(view.percentile))} {clipped}
      </p>
      {ranges.map(({ key, limits }) => (
        <div key={key}>
          {ranges.length > 1 && <p class="faint">{key || "classes"}</p>}
          <ColorBar limits={limits} level={1} colors={colors} shared={null} />
        </div>
      ))}
      <section class="scroll" tabIndex={0} aria-label="Mean maps">
        <table>
          <thead>
            <tr>
              <th scope="col">group</th>
              {sets.map((at) => (
                <th key={at} scope="col">
                  {title(at)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map(({ group, means }) => (
              <tr key={group.name}>
                <th scope="row">
                  {group.name}
                  <span class="faint"> {count(group.places.length, "image")}</span>
                </th>
                {means.map((mean, nth) => (
                  <td key={sets[nth]}>
                    {mean ? (
                      <>
                        <Thumb
                          map={mean.map}
                          limits={limitsOf(sets[nth]!)}
                          colors={colors}
                          label={`Mean map of ${group.name}, ${title(sets[nth]!)}, ${count(mean.n, "map")}`}
                        />
                        <span class="faint">
                          n = {mean.n.toLocaleString("en-US")}, mean sum {number(mean.sum)}
                        </span>
                      </>
                    ) : (
                      <span class="faint">no map</span>
                    )}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      {every.length > groups.length && (
        <p class="mark">
          {count(every.length - groups.length, "group")} of fewer images left out: {MAX_GROUPS} are shown at
          most.
        </p>
      )}
    </div>
  );
}
