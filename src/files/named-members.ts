import type { CheckedFiles } from "./checked-files.js";

/** Who else is a member, as far as a member's files say. */
export interface NamedMembers {
  readonly others: readonly string[];
  /** There is a sound dump, which names all members of its moment: those of a first start stand in no journal. */
  readonly hasDump: boolean;
}

/** A removal that is not known to be committed may never have been one: whom it names counts. */
export function membersNamedIn({ journal, meta, dump, paths }: CheckedFiles): NamedMembers {
  const found = dump?.kind === "dump" ? dump.dump : null;
  const commitIndex = meta?.kind === "meta" ? meta.meta.commitIndex : 0;
  const members = new Set(found?.members ?? []);
  for (const { index, change, address } of journal?.log.membership ?? []) {
    if (index <= (found?.last.index ?? 1)) continue;
    if (change === "add") members.add(address);
    else if (index <= commitIndex) members.delete(address);
  }
  members.delete(paths.address);
  return { others: [...members].sort(), hasDump: found !== null };
}
