import type { MemberPaths } from "../../files/data-path.js";
import { FilesError } from "../../files/files-error.js";
import { differencesOf, pictureOf, type StorePicture } from "../../files/store-diff.js";
import { StoreFold } from "../../files/store-fold.js";
import type { Watch } from "../../files/watch.js";
import type { FileSystem } from "../../storage/file-system.js";
import type { KvEntryJson } from "../../store/json-view.js";
import { keysMax, valueCharsMax } from "./limits.js";

/** One member's files, and how far they reach. */
export interface Reach {
  readonly name: string;
  readonly paths: MemberPaths;
  /** Of the journal; null: it has no entries. */
  readonly first: number | null;
  readonly dumpIndex: number | null;
  /** 0: nothing. */
  readonly end: number;
}

/** What one member has under a key; null: nothing. */
export interface HeldValue {
  readonly name: string;
  /** As JSON, cut where it is long. */
  readonly value: string | null;
  /** The writer's clock, seconds since 1970. */
  readonly updatedSec: number | null;
}

/** A key, and what members have under it. */
export interface KeyAcross {
  readonly key: string;
  readonly held: readonly HeldValue[];
}

/** When the newest of the values was written; null: not known. */
export function writtenSecOf({ held }: KeyAcross): number | null {
  const times = held.flatMap(({ updatedSec }) => updatedSec ?? []);
  return times.length === 0 ? null : Math.max(...times);
}

export interface DataDifference {
  readonly one: string;
  readonly other: string;
  readonly count: number;
  /** The first of them. */
  readonly keys: readonly KeyAcross[];
}

export interface DataComparison {
  /** All stores were folded up to here; 0: none. */
  readonly comparedAt: number;
  readonly differences: readonly DataDifference[];
  /** What each member has under the wanted keys at the end of its files. */
  readonly atEnds: readonly KeyAcross[];
  /** Why a member's data could not be compared. */
  readonly notCompared: ReadonlyMap<string, string>;
}

export interface DataOptions {
  /** The journals hold the same up to here: behind it data differ as the entries do. */
  readonly alikeUpTo: number;
  /** Keys whose values at the end of each member's files are looked up. */
  readonly wanted: readonly string[];
  readonly watch: Watch;
}

/**
 * Compares the data that the members' files make, at the lowest index at which one of them ends if all
 * reach back to it, or where most of them do. In memory are the data of one member, as JSON, and the
 * data of another, one after the other.
 */
export async function compareData(
  fs: FileSystem,
  members: readonly Reach[],
  { alikeUpTo, wanted, watch }: DataOptions,
): Promise<DataComparison> {
  const comparedAt = placeFor(members, alikeUpTo);
  const notCompared = new Map<string, string>();
  const differences: DataDifference[] = [];
  const ends: (readonly HeldValue[] | null)[] = [];
  let reference: { readonly name: string; readonly picture: StorePicture } | null = null;
  for (const member of members) {
    const { name } = member;
    const { compared, atEnd } = await dataOf(fs, member, { comparedAt, wanted, watch });
    if (typeof compared === "string") notCompared.set(name, compared);
    else if (reference === null) reference = { name, picture: compared };
    else differences.push(...differenceOf(reference, name, compared));
    ends.push(atEnd);
  }
  const atEnds = wanted.map((key, at) => ({ key, held: ends.flatMap((held) => held?.[at] ?? []) }));
  return { comparedAt, differences, atEnds, notCompared };
}

interface MemberData {
  /** Where all are compared, or why it cannot be had. */
  readonly compared: StorePicture | string;
  /** Of the wanted keys, in their order; null: cannot be had. */
  readonly atEnd: readonly HeldValue[] | null;
}

async function dataOf(
  fs: FileSystem,
  member: Reach,
  {
    comparedAt,
    wanted,
    watch,
  }: { readonly comparedAt: number } & Pick<DataOptions, "wanted" | "watch">,
): Promise<MemberData> {
  const isComparable = comparedAt > 0 && reaches(member, comparedAt);
  const wantsEnd = wanted.length > 0 && member.end > 0;
  const places = [...(isComparable ? [comparedAt] : []), ...(wantsEnd ? [member.end] : [])];
  const pictures = await picturesAt(fs, member, places, watch);
  const compared = (isComparable ? pictures[0] : undefined) ?? reasonOf(member, comparedAt);
  const end = wantsEnd ? pictures.at(-1) : undefined;
  const atEnd =
    end === undefined || typeof end === "string"
      ? null
      : wanted.map((key) => heldOf(member.name, end.get(key) ?? null));
  return { compared, atEnd };
}

/** The data at these indexes, in their order, or why they cannot be had. */
async function picturesAt(
  fs: FileSystem,
  { paths, dumpIndex }: Reach,
  places: readonly number[],
  watch: Watch,
): Promise<(StorePicture | string)[]> {
  const pictures: (StorePicture | string)[] = [];
  let fold: StoreFold | null = null;
  try {
    for (const place of places) {
      try {
        // A dump that came too late for the place before may be what this one needs.
        if (fold !== null && dumpIndex !== null && dumpIndex > fold.index && dumpIndex <= place) {
          await fold.close();
          fold = null;
        }
        fold ??= await StoreFold.open(fs, paths, place, { watch });
        await fold.advance(place);
        pictures.push(pictureOf(fold.store));
      } catch (error) {
        if (!(error instanceof FilesError) || error.code !== "not-held") throw error;
        pictures.push(error.message);
      }
    }
    return pictures;
  } finally {
    await fold?.close();
  }
}

/** Whether the data at this index can be had. */
function reaches({ first, dumpIndex, end }: Reach, index: number): boolean {
  if (index > end) return false;
  const isWhole = first !== null && first <= 1;
  const isFromDump =
    dumpIndex !== null && dumpIndex <= index && (first === null || first <= dumpIndex + 1);
  return isWhole || isFromDump;
}

/** One that has nothing at all must not keep the others from being compared. */
function placeFor(members: readonly Reach[], alikeUpTo: number): number {
  const ends = members.map(({ end }) => Math.min(end, alikeUpTo));
  const places = [...new Set(ends)].filter((end) => end > 0);
  let [best, count] = [0, 0];
  for (const place of places.sort((a, b) => a - b)) {
    const here = members.filter((member) => reaches(member, place)).length;
    if (here > count) [best, count] = [place, here];
  }
  return best;
}

function reasonOf({ first, dumpIndex, end }: Reach, index: number): string {
  if (end === 0) return "it has no entries and no dump";
  if (index > end) return `its files end at entry ${end}`;
  const begins = first === null ? "it has no entries" : `its journal begins at entry ${first}`;
  return dumpIndex === null
    ? `${begins}, and it has no dump of what came before`
    : `${begins}, and its dump ends at ${dumpIndex}`;
}

function differenceOf(
  reference: { readonly name: string; readonly picture: StorePicture },
  name: string,
  picture: StorePicture,
): DataDifference[] {
  const found = differencesOf(reference.picture, picture);
  if (found.length === 0) return [];
  const keys = found.slice(0, keysMax).map(({ key, before, after }) => ({
    key,
    held: [heldOf(reference.name, before), heldOf(name, after)],
  }));
  return [{ one: reference.name, other: name, count: found.length, keys }];
}

function heldOf(name: string, entry: KvEntryJson | null): HeldValue {
  if (entry === null) return { name, value: null, updatedSec: null };
  const value = JSON.stringify(entry.value).slice(0, valueCharsMax);
  return { name, value, updatedSec: typeof entry.updated === "number" ? entry.updated : null };
}
