import { eventually } from "./eventually.js";
import type { KvData, KvRecord } from "./kv-data.js";
import type { Conditions } from "./vanilla-client.js";
import type { WritingClient } from "./writing-client.js";

/**
 * One sequence of reads and writes through Patroni's own class, for clusters whose results are to be
 * compared. Two clients take turns, and each sees all that came before.
 */

/** A wall clock's times differ from run to run; these small ones are of calls that give their own. */
const ownTimeMax = 1_000_000;

/** Patroni's class, or what stands in for it. */
export interface SequenceClient extends WritingClient {
  raw(
    name: string,
    args: readonly unknown[],
    kwargs?: Readonly<Record<string, unknown>>,
  ): Promise<{ readonly result: unknown; readonly error: number }>;
  data(): Promise<KvData>;
}

export interface Clients {
  readonly observer: SequenceClient;
  readonly member: SequenceClient;
}

/** What came of each step, in a form that is the same in each cluster that does the same. */
export async function runSequence(clients: Clients, prefix: string): Promise<string[]> {
  const seen: string[] = [];
  const { observer, member } = clients;
  const key = (name: string) => `${prefix}${name}`;
  const first = await observer.set(key("a"), "first");
  if (first === false) throw new Error("the first write failed");
  const base = first.index;
  const index = async (name: string) => (await member.get(key(name)))?.index ?? null;
  let turn = 0;
  const step = async (what: string, run: (client: SequenceClient) => Promise<unknown>) => {
    await haveSame(clients);
    const client = turn % 2 === 0 ? member : observer;
    turn += 1;
    seen.push(`${what}: ${show(await run(client), base)}`);
  };
  const set = (name: string, value: string, options: Conditions & { ttl?: number } = {}) =>
    step(`set ${name} ${JSON.stringify(options)}`, (client) =>
      client.set(key(name), value, options),
    );
  const remove = (name: string, options: Conditions & { recursive?: boolean } = {}) =>
    step(`delete ${name} ${JSON.stringify(options)}`, (client) =>
      client.delete(key(name), options),
    );
  const raw = (name: string, args: readonly unknown[], kwargs: Record<string, unknown> = {}) =>
    step(`${name} ${JSON.stringify(kwargs)}`, (client) => client.raw(name, args, kwargs));
  const get = (name: string) => step(`get ${name}`, (client) => client.get(key(name)));

  await set("a", "second", { prevValue: "first" });
  await set("a", "third", { prevValue: "first" });
  await set("a", "fourth", { prevExist: false });
  await set("a", "fifth", { prevExist: true });
  await set("a", "sixth", { prevValue: null });
  await set("b", "none", { prevExist: true });
  await set("b", "é漢😀", { prevExist: false });
  await set("b", "", { prevIndex: (await index("b")) ?? -1 });
  await set("b", "wrong index", { prevIndex: 1 });
  await set("b", "any index", { prevIndex: null });
  await set("c", "with a lease", { ttl: 300 });
  await set("c", "lease renewed", { ttl: 600, prevValue: "with a lease" });
  await set("c", "lease given up");
  for (const name of ["a", "b", "c", "nothing"]) await get(name);
  // What the class checks in its own copy first, here decided by the cluster.
  const record = (created: number, updated: number) => ({ value: "raw", created, updated });
  await raw("_set", [key("r"), record(100, 200)]);
  await raw("_set", [key("r"), record(100, 300)]);
  await raw("_set", [key("r"), record(150, 400)]);
  await raw("_set", [key("r"), record(400, 500)], { prevExist: false });
  await raw("_set", [key("r"), record(400, 500)], { prevValue: "raw" });
  await raw("_set", [key("r"), record(400, 600)], { prevValue: "other" });
  await raw("_set", [key("r"), record(400, 600)], { prevIndex: 1 });
  await raw("_set", [key("s"), record(1, 2)], { prevIndex: 1 });
  await raw("_delete", [key("s")], { prevExist: true });
  await raw("_delete", [key("r")], { prevValue: "other" });
  await raw("_expire", [key("r"), record(1, 2)]);
  await get("r");
  await raw("_expire", [key("r"), record(400, 500)]);
  await get("r");
  await remove("a", { prevValue: "nobody's" });
  await remove("a", { prevIndex: 1 });
  await remove("a", { prevIndex: (await index("a")) ?? -1 });
  await get("a");
  await remove("nothing", { prevExist: true });
  await remove("b");
  for (const name of ["d/1", "d/2", "d/2/3", "dd"]) await set(name, name);
  await remove("d/", { recursive: true });
  await remove("d/", { recursive: true });
  for (const name of ["d/1", "d/2/3", "dd"]) await get(name);
  await haveSame(clients);
  return seen;
}

/** Records as they stand in a member, comparable as in runSequence. */
export function showAll(
  entries: Readonly<Record<string, KvRecord>>,
  prefix: string,
  base: number,
): string[] {
  const keys = Object.keys(entries).filter((key) => key.startsWith(prefix));
  return keys.sort().map((key) => `${key}: ${show(entries[key], base)}`);
}

/** Both clients have applied the same entries, so that both check conditions on the same data. */
async function haveSame({ observer, member }: Clients): Promise<void> {
  await eventually(
    "both clients at the same entry",
    async () => (await observer.data()).appliedIndex === (await member.data()).appliedIndex,
    { everyMs: 10 },
  );
}

function show(value: unknown, base: number): string {
  return JSON.stringify(value, (name, item: unknown) => {
    if (name === "index" && typeof item === "number") return item - base;
    if (typeof item !== "object" || item === null || !("updated" in item)) return item;
    const { created, updated, expire, ...rest } = item as KvRecord;
    if (updated < ownTimeMax) return { ...item, updated: undefined, at: `${created} ${updated}` };
    const life = expire === undefined ? null : Math.round((expire - updated) * 1000) / 1000;
    return { ...rest, isFirst: created === updated, life };
  });
}
