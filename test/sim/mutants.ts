import type { Mutant } from "./mutant.js";
import { boundMutants } from "./mutants-bounds.js";
import { fileMutants } from "./mutants-files.js";
import { guardMutants } from "./mutants-guards.js";
import { lostDiskMutants } from "./mutants-lost-disk.js";
import { memberMutants } from "./mutants-members.js";
import { raftMutants } from "./mutants-raft.js";

/** All safety rules that can be taken out. */
export const mutants: readonly Mutant[] = [
  ...raftMutants,
  ...fileMutants,
  ...lostDiskMutants,
  ...guardMutants,
  ...memberMutants,
  ...boundMutants,
];
