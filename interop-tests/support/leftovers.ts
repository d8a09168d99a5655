import { type Change, changed, parts } from "../../test/storage/unsynced.js";
import type { Chance } from "./chance.js";
import { applyNames, type NameChange, type TracedDisk, type TracedFile } from "./traced-disk.js";

/**
 * How changes of a directory that no sync has covered reach the disk. `ordered`: those up to some
 * moment, as with the journals of ext4 and XFS; `any`: each by itself, which is all that POSIX says.
 */
export type NameOrder = "ordered" | "any";

/** Files by name, as a start would find them. */
export type DirectoryImage = ReadonlyMap<string, Buffer>;

export interface LeftoverOptions {
  readonly order: NameOrder;
  /** So many states at most; where there are more, so many of them by chance. */
  readonly statesMax: number;
  readonly chance: Chance;
}

/** More subsets than this are not listed. */
const bitsMax = 12;

/** What a loss of power may leave of a directory, each state once or more. */
export interface Leftovers extends Iterable<DirectoryImage> {
  /** These are all that there can be; otherwise some of them, by chance. */
  readonly isAll: boolean;
}

export function leftovers(disk: TracedDisk, options: LeftoverOptions): Leftovers {
  const { pendingNames } = disk;
  const { order, statesMax } = options;
  const namings = order === "ordered" ? prefixes(pendingNames) : subsets(pendingNames);
  let total = 0;
  for (const kept of namings ?? []) {
    total += stateCount(namesAfter(disk, kept));
    if (total > statesMax) break;
  }
  const isAll = namings !== null && total <= statesMax;
  const states = () => (isAll ? allStates(disk, namings) : someStates(disk, options));
  return { isAll, [Symbol.iterator]: states };
}

function* allStates(disk: TracedDisk, namings: readonly NameChange[][]): Generator<DirectoryImage> {
  if (!disk.isMade) yield new Map();
  for (const kept of namings) yield* everyState(namesAfter(disk, kept));
}

function* someStates(
  disk: TracedDisk,
  { order, statesMax, chance }: LeftoverOptions,
): Generator<DirectoryImage> {
  const { pendingNames } = disk;
  if (!disk.isMade) yield new Map();
  for (let state = 0; state < statesMax; state++) {
    const kept =
      order === "ordered"
        ? pendingNames.slice(0, chance.pick(pendingNames.length + 1))
        : pendingNames.filter(() => chance.pick(2) === 1);
    yield someState(namesAfter(disk, kept), chance);
  }
}

type Names = ReadonlyMap<string, TracedFile>;

function namesAfter(disk: TracedDisk, kept: readonly NameChange[]): Names {
  const names = new Map(disk.durableNames);
  for (const { changes } of kept) applyNames(names, changes);
  return names;
}

function prefixes<T>(items: readonly T[]): readonly T[][] {
  return Array.from({ length: items.length + 1 }, (_, count) => items.slice(0, count));
}

function subsets<T>(items: readonly T[]): readonly T[][] | null {
  if (items.length > bitsMax) return null;
  return Array.from({ length: 2 ** items.length }, (_, bits) =>
    items.filter((_, at) => ((bits >> at) & 1) === 1),
  );
}

/** All that may be there or not of a file's content, in order. */
function piecesOf(file: TracedFile): Change[] {
  return file.pending.flatMap(({ change }) => parts(change));
}

function stateCount(names: Names): number {
  let count = 1;
  for (const file of new Set(names.values())) count *= 2 ** piecesOf(file).length;
  return count;
}

function* everyState(names: Names): Generator<DirectoryImage> {
  let images: Map<TracedFile, Buffer>[] = [new Map()];
  for (const file of new Set(names.values())) {
    const contents = (subsets(piecesOf(file)) ?? []).map((kept) => contentAfter(file, kept));
    images = images.flatMap((image) =>
      contents.map((content) => new Map(image).set(file, content)),
    );
  }
  for (const image of images) yield imageOf(names, image);
}

/** A change may be missing, be there, or be there in parts; all three should come up. */
function someState(names: Names, chance: Chance): DirectoryImage {
  const image = new Map<TracedFile, Buffer>();
  for (const file of new Set(names.values())) {
    const kept = file.pending.flatMap(({ change }) => {
      const mode = chance.pick(4);
      if (mode === 0) return [];
      return mode === 1 ? [change] : parts(change).filter(() => chance.pick(2) === 1);
    });
    image.set(file, contentAfter(file, kept));
  }
  return imageOf(names, image);
}

function contentAfter(file: TracedFile, kept: readonly Change[]): Buffer {
  return kept.reduce(changed, file.durable);
}

function imageOf(names: Names, contents: ReadonlyMap<TracedFile, Buffer>): DirectoryImage {
  return new Map([...names].map(([name, file]) => [name, contents.get(file) ?? file.durable]));
}
