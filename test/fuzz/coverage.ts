import { Session } from "node:inspector";

/** V8's own block coverage: which parts of the decoders have ever run. */
export class Coverage {
  readonly #session = new Session();
  readonly #seen = new Set<string>();
  readonly #folders: readonly string[];

  /** @param folders Parts of the paths of the files that count. */
  constructor(folders: readonly string[]) {
    this.#folders = folders;
    this.#session.connect();
    this.#post("Profiler.enable");
    this.#post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
  }

  /** Blocks that ran so far. */
  get blocks(): number {
    return this.#seen.size;
  }

  /** Since the last call; how many of the blocks that ran had never run before. */
  take(): number {
    let fresh = 0;
    for (const { url, functions } of this.#post("Profiler.takePreciseCoverage")) {
      if (!this.#folders.some((folder) => url.includes(folder))) continue;
      for (const { ranges } of functions) {
        for (const { startOffset, endOffset, count } of ranges) {
          const block = `${url}:${startOffset}:${endOffset}`;
          if (count === 0 || this.#seen.has(block)) continue;
          this.#seen.add(block);
          fresh += 1;
        }
      }
    }
    return fresh;
  }

  close(): void {
    this.#session.disconnect();
  }

  /** The inspector of one's own process answers before `post` returns. */
  #post(method: string, parameters: object = {}): readonly ScriptCoverage[] {
    let result: readonly ScriptCoverage[] = [];
    this.#session.post(method, parameters, (error, answer: unknown) => {
      if (error !== null) throw error;
      if (isCoverage(answer)) result = answer.result;
    });
    return result;
  }
}

interface ScriptCoverage {
  readonly url: string;
  readonly functions: readonly {
    readonly ranges: readonly {
      readonly startOffset: number;
      readonly endOffset: number;
      readonly count: number;
    }[];
  }[];
}

function isCoverage(answer: unknown): answer is { readonly result: readonly ScriptCoverage[] } {
  return typeof answer === "object" && answer !== null && "result" in answer;
}
