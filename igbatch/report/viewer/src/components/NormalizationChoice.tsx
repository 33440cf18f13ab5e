/** Whose range the colours stand for, and how it becomes their ends. */

import type { PageStudy } from "../study_types.ts";
import type { Normalization, Rule, Scope } from "../style.ts";
import type { View } from "../view.ts";
import { Choice, End, Slider } from "./knobs.tsx";

export function NormalizationChoice({
  legend,
  name,
  study,
  view,
  chosen,
  change,
}: {
  legend: string;
  name: string;
  study: PageStudy;
  view: View;
  chosen: Normalization;
  change: (chosen: Normalization) => void;
}) {
  const set = (part: Partial<Normalization>): void => change({ ...chosen, ...part });
  const { rules, limits } = study.knobs;
  const classes = study.targets.filter((each) => !each.contrast).map((each) => each.id);
  const scopes = study.knobs.scopes.filter(({ scope }) => scope !== "pair" || classes.length > 1);
  const raw = chosen.scope === "raw";
  return (
    <fieldset data-normalization={name}>
      <legend>{legend}</legend>
      <Choice
        name={`${name}-scope`}
        label="Range"
        value={chosen.scope}
        change={(scope) => set({ scope: scope as Scope })}
        options={scopes.map(({ scope, title }) => [scope, title])}
      />
      {chosen.scope === "pair" && view.targets.filter((id) => classes.includes(id)).length !== 2 && (
        <p class="hint">Choose two classes for a pair.</p>
      )}
      <Choice
        name={`${name}-rule`}
        label="Rule"
        value={chosen.rule}
        change={(rule) => set({ rule: rule as Rule })}
        options={rules.map((each) => [each.rule, each.title.replaceAll("{p}", String(chosen.percentile))])}
      />
      {raw && chosen.rule !== "fixed" && chosen.rule !== "symmetric" && (
        <p class="hint">Raw values have one fixed scale: the rule changes nothing.</p>
      )}
      {chosen.rule === "percentile" && (
        <Slider
          name={`${name}-percentile`}
          knob={limits.percentile}
          value={chosen.percentile}
          text={`${chosen.percentile} % of |a|`}
          change={(percentile) => set({ percentile })}
        />
      )}
      {chosen.rule === "fixed" && (
        <div class="ends">
          <End
            name={`${name}-low`}
            label="from"
            value={chosen.low}
            fits={(low) => low < chosen.high}
            change={(low) => set({ low })}
          />
          <End
            name={`${name}-high`}
            label="to"
            value={chosen.high}
            fits={(high) => high > chosen.low}
            change={(high) => set({ high })}
          />
        </div>
      )}
    </fieldset>
  );
}
