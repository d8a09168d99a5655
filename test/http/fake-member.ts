import type {
  KvEntryReport,
  KvReport,
  MemberHandle,
  StatusReport,
} from "../../src/node/member-types.js";

export const healthyStatus: StatusReport = {
  self: "a:1",
  version: "0.1.0",
  role: "follower",
  leader: "b:2",
  term: 3,
  vote: "b:2",
  commitIndex: 42,
  appliedIndex: 42,
  lastIndex: 43,
  lastLogTerm: 3,
  members: [
    {
      address: "a:1",
      self: true,
      connected: true,
      matchIndex: null,
      nextIndex: null,
      version: "0.1.0",
      kind: "quorate",
    },
  ],
  observers: 2,
  uptimeMs: 1234,
  degraded: [],
  counters: { elections: 1 },
};

/** A member whose data are `[key, value]` made as they are read. */
export class FakeMember implements MemberHandle {
  report: StatusReport = healthyStatus;
  size = 0;
  /** How many iterators were given up or read to the end. */
  ended = 0;
  /** Entries handed out so far. */
  taken = 0;
  prefixes: string[] = [];
  keyAt: (n: number) => string = (n) => `/service/demo/key-${n}`;
  valueAt: (n: number) => KvEntryReport["value"] = (n) => `value ${n}`;
  readonly stopped = new Promise<never>(() => {});

  async stop(): Promise<void> {}

  status(): StatusReport {
    return this.report;
  }

  kv(prefix: string): KvReport {
    this.prefixes.push(prefix);
    return { appliedIndex: 42, entries: this.#entries(prefix) };
  }

  *#entries(prefix: string): Generator<readonly [string, KvEntryReport] | null> {
    try {
      for (let n = 0; n < this.size; n += 1) {
        const key = this.keyAt(n);
        if (!key.startsWith(prefix)) {
          if (n % 100 === 0) yield null;
          continue;
        }
        this.taken += 1;
        const times = { created: 1.5, updated: 2.5 };
        yield [
          key,
          { value: this.valueAt(n), ...times, index: n, ...(n % 2 ? { expire: 9 } : {}) },
        ];
      }
    } finally {
      this.ended += 1;
    }
  }
}
