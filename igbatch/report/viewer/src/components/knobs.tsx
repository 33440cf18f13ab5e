/** Knobs of the browser's own kind, with their labels: a choice, a slider, a number, a check. */

import type { ComponentChildren } from "preact";

import type { Knob } from "../study_types.ts";

export function Choice({
  name,
  label,
  value,
  options,
  change,
}: {
  name: string;
  label: string;
  value: string;
  options: [string, string][];
  change: (value: string) => void;
}) {
  return (
    <label class="row">
      <span>{label}</span>
      <select name={name} value={value} onChange={(event) => change(event.currentTarget.value)}>
        {options.map(([key, title]) => (
          <option key={key} value={key}>
            {title}
          </option>
        ))}
      </select>
    </label>
  );
}

export function Slider({
  name,
  knob,
  value,
  text,
  change,
}: {
  name: string;
  knob: Knob;
  value: number;
  text: string;
  change: (value: number) => void;
}) {
  return (
    <label class="row slider">
      <span>
        {knob.title} <output>{text}</output>
      </span>
      <input
        type="range"
        name={name}
        min={knob.minimum}
        max={knob.maximum}
        step={knob.step}
        value={value}
        aria-valuetext={text}
        onInput={(event) => change(Number(event.currentTarget.value))}
      />
    </label>
  );
}

export function End({
  name,
  label,
  value,
  fits,
  change,
}: {
  name: string;
  label: string;
  value: number;
  fits: (value: number) => boolean;
  change: (value: number) => void;
}) {
  return (
    <label>
      {label}
      <input
        type="text"
        inputMode="decimal"
        name={name}
        value={String(value)}
        onChange={(event) => {
          const typed = Number(event.currentTarget.value.replace("−", "-"));
          if (event.currentTarget.value.trim() && Number.isFinite(typed) && fits(typed)) change(typed);
          else event.currentTarget.value = String(value);
        }}
      />
    </label>
  );
}

export function Check({
  name,
  checked,
  disabled,
  change,
  children,
}: {
  name?: string;
  checked: boolean;
  disabled?: boolean;
  change: (on: boolean) => void;
  children: ComponentChildren;
}) {
  return (
    <label class="check">
      <input
        type="checkbox"
        {...(name === undefined ? {} : { name })}
        checked={checked}
        disabled={disabled ?? false}
        onChange={(event) => change(event.currentTarget.checked)}
      />
      <span>{children}</span>
    </label>
  );
}
