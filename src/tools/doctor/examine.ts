import { type Finding, sortFindings } from "../findings.js";
import { type AskMember, lookAt } from "../survey.js";
import { clocks } from "./clocks.js";
import { leadership } from "./leadership.js";
import { links } from "./links.js";
import type { TwoLooks } from "./looks.js";
import { makeUp } from "./make-up.js";
import { progress } from "./progress.js";
import { reachability } from "./reachability.js";
import { terms } from "./terms.js";

export interface LookTwice {
  readonly ask: AskMember;
  readonly addresses: readonly string[];
  readonly intervalSec: number;
  readonly sleep: (ms: number) => Promise<void>;
}

/** Looks at a live cluster twice. It only asks; nothing is changed. */
export async function lookTwice(options: LookTwice): Promise<TwoLooks> {
  const { ask, intervalSec } = options;
  const before = await lookAt(ask, options.addresses);
  await options.sleep(intervalSec * 1000);
  const after = await lookAt(ask, [...new Set([...options.addresses, ...before.known])]);
  return { before, after, intervalSec };
}

/** Everything that the two looks show, the worst first. */
export function examine(looks: TwoLooks): Finding[] {
  return sortFindings([
    ...reachability(looks),
    ...leadership(looks),
    ...links(looks),
    ...terms(looks),
    ...progress(looks),
    ...makeUp(looks),
    ...clocks(looks),
  ]);
}
