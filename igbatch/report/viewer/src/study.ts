/** What the page holds of a study: the JSON that `igbatch.report.page.viewer_data` writes. */

/** The smallest and largest value of all maps of a scope, in units of the output. */
export interface Range {
  minimum: number;
  maximum: number;
  n_maps: number;
  /** False while maps of the scope are missing. */
  complete: boolean;
  /** Of |a| over all pixels of the scope's maps, at 90.0, 90.1, ... 100.0 %: 101 numbers, from histograms. */
  quantiles: number[];
}

/** A normalization: which maps share a range, and what that makes comparable. */
export interface Scope {
  kind: string;
  title: string;
  /** Whose minimum and maximum it is; `{maps}` stands for the number of maps. */
  over: string;
  compare: string;
  beware: string;
}

/** How a range becomes the ends of the colour scale. */
export interface Rule {
  rule: string;
  title: string;
  words: string;
}

/** A colour map from the most negative to the most positive, white or gray in its middle. */
export interface Palette {
  name: string;
  title: string;
  /** An odd number of colours, each `#rrggbb`. */
  colors: string[];
}

export interface Variant {
  id: string;
  name: string;
  kind: string;
  model: string;
  /** Of all its maps in the study; null where there is none. */
  range: Range | null;
}

export interface Target {
  id: string;
  name: string;
}

/** A box of the data set: half-open pixels of the model's input. */
export interface DataBox {
  id: string;
  name: string;
  color: string;
  x_min: number;
  y_min: number;
  x_max: number;
  y_max: number;
}

/** An image as one model saw it. */
export interface Frame {
  model: string;
  width: number;
  height: number;
  /** A data URI; empty where the image cannot be read, and `missing` says why. */
  picture: string;
  missing: string;
  boxes: DataBox[];
}

/** What the study stored of one map in one box. `box` is the place in the frame's boxes. */
export interface StoredBox {
  box: number;
  pixels: number;
  sum: number;
  share: number | null;
}

/** One map: its numbers, and where its values are. Numbers are null where it was not computed. */
export interface StoredMap {
  /** Place in the study's targets. */
  target: number;
  /** Id of the element that holds its values; empty where it has none, and `missing` says why. */
  block: string;
  /** Values are integers times this, in units of the output. */
  scale: number;
  missing: string;
  minimum: number | null;
  maximum: number | null;
  sum: number | null;
  abs_sum: number | null;
  probability: number | null;
  score: number | null;
  score_baseline: number | null;
  gap: number | null;
  steps: number | null;
  converged: boolean | null;
  /** What to be careful about, in words. */
  marks: string[];
  boxes: StoredBox[];
}

export interface ImageVariant {
  /** Place in the study's variants. */
  variant: number;
  prediction: string;
  /** Of all targets' maps of this image and variant. */
  range: Range | null;
  /** One for each target of the study, in its order. */
  maps: StoredMap[];
}

export interface StudyImage {
  id: string;
  name: string;
  label: string;
  /** Why it is shown. */
  chosen: string;
  /** Of all variants' and targets' maps of this image. */
  range: Range | null;
  frames: Frame[];
  /** Those that are shown of it, in the order of the study. */
  variants: ImageVariant[];
}

export interface Study {
  format: 1;
  name: string;
  /** Of attributions, in words: "of probability". */
  unit: string;
  /** Bound of the relative error of quantiles from histograms. */
  quantile_error: number;
  /** The magnitude at the ends of the raw scale, as a range; null where no map is there. */
  raw: Range | null;
  dataset: Range | null;
  scopes: Scope[];
  rules: Rule[];
  palettes: Palette[];
  variants: Variant[];
  targets: Target[];
  images: StudyImage[];
  /** What is shown at first, as places; all where empty. */
  first: { variants: number[]; targets: number[] };
  /** Of boxes over the data set, for the chart; see `aggregates_chart.ts`. */
  aggregates: Aggregate[];
  /** Figures of audits over time; empty where no history is kept. See `history_chart.ts`. */
  history: Series[];
}

/** The figure of one check over time, against references of one role. */
export interface Series {
  role: string;
  check: string;
  title: string;
  unit: string;
  /** The figure must not fall below the threshold; otherwise it must not rise above it. */
  at_least: boolean;
  /** In order of time. */
  points: Point[];
}

/** One audit in a series. `at` is ISO 8601, UTC; `night` is empty where it is none. */
export interface Point {
  at: string;
  night: string;
  figure: number;
  threshold: number | null;
  outcome: string;
}

/** The mean of sums in boxes of one label over the data set, with its 95 % interval. */
export interface Aggregate {
  variant: string;
  kind: string;
  label: string;
  target: string;
  mean: number;
  low: number | null;
  high: number | null;
  images: number;
}
