/** The raw maps of the images that were shown, unpacked once, and what follows from their values. */

import { quantile } from "./limits.ts";
import { type RawMap, type Regions, regionsOf, unpack } from "./raw_map.ts";
import type { StudyImage } from "./study_types.ts";

/** Maps whose sums over patches are kept: those of an image, twelve variants of eight targets, of two sizes. */
const MAX_ADDED = 192;

export class MapStore {
  private readonly maps = new Map<string, RawMap>();
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

  /** Return a map that is unpacked as sums over patches of a size; of size 1 it is itself. */
  regions(block: string, size: number): Regions | undefined {
    const key = `${block} ${size}`;
    const map = this.maps.get(block);
    if (map && !this.added.has(key)) {
      if (this.added.size >= MAX_ADDED) this.added.delete(this.added.keys().next().value!);
      this.added.set(key, regionsOf(map, size));
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
      promise = Promise.all(all).then(() => undefined);
      this.loading.set(image.id, promise);
    }
    return promise;
  }

  /** Return a quantile of |a| over all patches of some maps that are unpacked, p in percent. */
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

  private async unpack(block: string, scale: number, size: { width: number; height: number }): Promise<void> {
    try {
      this.maps.set(block, await unpack(this.read(block), scale, size.width, size.height));
    } catch (error) {
      this.broken.set(
        block,
        `The map cannot be unpacked: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }
}
