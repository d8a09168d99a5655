import { SoakArguments } from "../../interop-tests/support/soak-arguments.js";
import { encodeDelete, encodeSet } from "../../protocol/log/kv-calls.js";
import { nodeLimits } from "../../src/node/limits.js";
import { Store } from "../../src/store/store.js";

/** `npm run soak -- long-steps`: how long the store holds the loop in one step, with very many keys. */

const help = `Fills a store and shows the longest single step of each kind, in milliseconds of this thread's processor time.

  --keys N  number of keys (default 950000, what the default of quorate.max_data_bytes allows)
  --ttl     with a time to live
  --help
`;

const given = new SoakArguments({
  program: "npm run soak -- long-steps",
  help,
  options: {
    keys: { type: "string", default: "950000" },
    ttl: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

/** The longest of these steps and their number. */
function longest(steps: Iterator<unknown>): readonly [ms: number, count: number] {
  let longestMs = 0;
  for (let count = 1; ; count += 1) {
    const before = process.cpuUsage();
    const { done } = steps.next();
    const { user, system } = process.cpuUsage(before);
    longestMs = Math.max(longestMs, (user + system) / 1000);
    if (done === true) return [longestMs, count];
  }
}

/** A step of its own. */
function once(run: () => void): Iterator<void> {
  return {
    next() {
      run();
      return { done: true, value: undefined };
    },
  };
}

function* sweeping(store: Store): Generator<void, void> {
  while (store.sweep()) yield;
}

/** In slices of so many. */
function* each(from: number, to: number, slice: number, run: (n: number) => void) {
  for (let n = from; n < to; n += 1) {
    run(n);
    if (n % slice === slice - 1) yield;
  }
}

function run(keys: number): void {
  const store = new Store();
  const lives = given.isSet("ttl") ? { expire: 100 } : {};
  const set = (n: number, more = lives) => {
    const value = { value: "x", updated: 0, created: 0, ...more };
    store.apply(encodeSet(`/key/${n}`, value), n + 2);
  };
  const say = (what: string, [ms, count]: readonly [number, number]) =>
    console.log(`${what}: ${ms.toFixed(1)} ms, ${count} steps`);
  say("100 keys are set, of all of them", longest(each(0, keys, 100, (n) => set(n))));
  const max = nodeLimits.expiredPerLook;
  store.noteTime(1, true);
  say("100 of them are set anew", longest(each(0, 20_000, 100, (n) => set(n))));
  say("they are noted to have come", longest(once(() => store.noteTime(2, true))));
  say("a look at what is over", longest(once(() => store.expired(1_000, 1_000, max))));
  const all = encodeDelete("/key/", { recursive: true });
  say("a recursive delete of all is judged", longest(once(() => store.refusal(all, []))));
  const snapshot = store.beginSnapshot();
  const removal = store.begin(all, keys + 2);
  if (!("next" in removal)) throw new Error("the delete is done in one step");
  say("it is applied, a snapshot under way", longest(removal));
  say("what it has removed goes out of memory", longest(sweeping(store)));
  snapshot.end();
}

run(given.count("keys"));
