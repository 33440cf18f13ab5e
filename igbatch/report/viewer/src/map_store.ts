/** The raw maps of the images that were shown, unpacked once, and what follows from their values. */

import { quantile } from "./limits.ts";
import {
  BLURRED,
  type Labels,
  type RawMap,
  type Regions,
  regionsOf,
  unpack,
  unpackWords,
} from "./raw_map.ts";
import type { ModelFrame, StudyImage } from "./study_types.ts";

/** Maps whose sums over regions are kept: those of an image, twelve variants of eight targets, of two sizes. */
const MAX_ADDED = 192;

export class MapStore {
  private readonly maps = new Map<string, RawMap>();
  /** Label maps by their blocks, and the frame of each map. */
  private readonly labels = new Map<string, Labels>();
  private readonly frames = new Map<string, ModelFrame>();
  private readonly loading = new Map<string, Promise<void>>();
  private readonly added = new Map<string, Regions>();
  private readonly sorted = new Map<string, Float64Array>();
  /** Why a map could not be unpacked, by its block. */
  readonly broken = new Map<string, string>();

  /** `read` returns the text of a block, by its id. */
  constructor(private readonly read: (block: string) => string) {}

  /** Return a map that is unpacked. */
  get(block: string): RawMap | undefined {
    return this.maps.get(block);
  }

  /**
   * Return a map that is unpacked as sums over regions of a size; of size 1 it is itself. Undefined where its image
   * has no label map that this takes.
   */
  regions(block: string, size: number): Regions | undefined {
    const key = `${block} ${size}`;
    const map = this.maps.get(block);
    const squares = size >= 1 || size === BLURRED;
    const labels = !squares ? this.labels.get(this.frames.get(block)?.labels[size]?.block ?? "") : undefined;
    if (map && (squares || labels) && !this.added.has(key)) {
      if (this.added.size >= MAX_ADDED) this.added.delete(this.added.keys().next().value!);
      this.added.set(key, regionsOf(map, size, labels));
    }
    return this.added.get(key);
  }

  /** Unpack all maps of an image. */
  load(image: StudyImage, modelOf: (variant: number) => string): Promise<void> {
    let promise = this.loading.get(image.id);
    if (!promise) {
      const all = image.variants.flatMap((place) => {
        const frame = image.frames.find((each) => each.model === modelOf(place.variant));
        return place.maps.flatMap((map) =>
          map.block && frame ? [this.unpack(map.block, map.scale, frame)] : [],
        );
      });
      const labels = image.frames.flatMap((frame) =>
        Object.values(frame.labels).map((each) => this.unpackLabels(each, frame)),
      );
      promise = Promise.all([...all, ...labels]).then(() => undefined);
      this.loading.set(image.id, promise);
    }
    return promise;
  }

  /** Return a quantile of |a| over all regions of some maps that are unpacked, p in percent. */
  magnitude(blocks: string[], percent: number, size: number): number {
    return quantile(this.magnitudes(blocks, size), percent);
  }

  private magnitudes(blocks: string[], size: number): Float64Array {
    const key = JSON.stringify([size, blocks]);
    let values = this.sorted.get(key);
    if (!values) {
      const maps = blocks.flatMap((block) => this.regions(block, size)?.sums ?? []);
      values = new Float64Array(maps.reduce((size, map) => size + map.integers.length, 0));
      let at = 0;
      for (const map of maps) {
        for (const integer of map.integers) values[at++] = Math.abs(integer) * map.scale;
      }
      values.sort();
      if (this.sorted.size >= 64) this.sorted.clear();
      this.sorted.set(key, values);
    }
    return values;
  }

  private async unpackLabels(
    { block, regions, names }: ModelFrame["labels"][string],
    frame: ModelFrame,
  ): Promise<void> {
    try {
      const numbers = await unpackWords(this.read(block), frame.width * frame.height);
      this.labels.set(block, { numbers, regions, names });
    } catch {
      // What it is for is then said to be missing where it is chosen.
    }
  }

  private async unpack(block: string, scale: number, size: ModelFrame): Promise<void> {
    try {
      this.frames.set(block, size);
      this.maps.set(block, await unpack(this.read(block), scale, size.width, size.height));
    } catch (error) {
      this.broken.set(
        block,
        `The map cannot be unpacked: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }
}
