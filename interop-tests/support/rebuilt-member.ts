import { join } from "node:path";
import { refetchingCode } from "../../src/node/member-types.js";
import type { Chance } from "./chance.js";
import { type DirectoryImage, leftovers } from "./leftovers.js";
import type { Visit } from "./member-trace.js";
import { hadToRefetch, writeImage } from "./power-loss.js";
import { startQuorate } from "./quorate-member.js";
import type { Scene } from "./scene.js";

/** A directory that a loss of power could have left, and what the member had told by then. */
export interface Sample {
  readonly image: DirectoryImage;
  readonly term: number;
  /** The last entry that it had confirmed. */
  readonly index: number;
}

/** Keeps a state of some of the moments, `share` of them. */
export function sampling(samples: Sample[], share: number, chance: Chance): Visit {
  return ({ disk, revealed }) => {
    if (!chance.is(share)) return;
    const [image] = leftovers(disk, { order: "any", statesMax: 1, chance });
    if (image === undefined) return;
    const index = Math.max(0, ...revealed.entries.keys());
    samples.push({ image, term: revealed.term, index });
  };
}

/** Has `quorate run` start on a sample. @returns what is missing, or null. */
export async function runOn(
  scene: Scene,
  sample: Sample,
  { name, selfAddr, partners }: { name: string; selfAddr: string; partners: readonly string[] },
): Promise<string | null> {
  const dataDir = join(scene.folder, name);
  writeImage(dataDir, sample.image);
  const member = await startQuorate(scene, { selfAddr, partners, dataDir });
  try {
    const { term, lastIndex, degraded } = await member.httpStatus();
    if (Number(term) < sample.term) return `term ${String(term)}, told was ${sample.term}`;
    if (Number(lastIndex) < sample.index) {
      return `the log ends at ${String(lastIndex)}, told was ${sample.index}`;
    }
    return unexpected(degraded, sample);
  } finally {
    await member.stop("SIGKILL");
  }
}

/** Who had to be brought up to date when the power failed has to be so still, and nobody else. */
function unexpected(degraded: unknown, { image }: Sample): string | null {
  const reports: unknown[] = Array.isArray(degraded) ? degraded : [degraded];
  const codes = reports.map((report) => (report as { code?: unknown } | null)?.code);
  const isExpected = hadToRefetch(image) ? codes.includes(refetchingCode) : codes.length === 0;
  return isExpected ? null : JSON.stringify(degraded);
}
