import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { markHintBytes, oldGarbageBytesMin, youngGarbageBytesMax } from "./limits.js";

/** What the engine can be asked for. */
export interface Collector {
  /** Frees what is young and unused at once, in a millisecond or so. */
  collectYoung(): void;
  /** Lets the engine begin to look for all that is unused, beside the loop. */
  startMarking(): void;
  /** Bytes of the heap in use. */
  heapBytes(): number;
}

/**
 * Node reads a socket into a new buffer each time, outside of V8's heap, and V8 finds no reason to
 * collect them before there are 64 MiB; what decoding leaves in the heap it lets grow for longer
 * still. So somebody who sends much makes the process larger by hundreds of megabytes of what nobody
 * uses. This counts what comes in and has it collected in time.
 */
export class Garbage {
  readonly #collector: Collector;
  #young = 0;
  #old = 0;

  constructor(collector: Collector = engine()) {
    this.#collector = collector;
  }

  /** So many bytes were made that are of no use any more, or will soon be. */
  add(bytes: number): void {
    this.#young += bytes;
    if (this.#young < youngGarbageBytesMax) return;
    this.#old += this.#young;
    this.#young = 0;
    this.#collector.collectYoung();
    // The more there is in use, the longer marking takes: then it is due more rarely.
    if (this.#old < Math.max(oldGarbageBytesMin, this.#collector.heapBytes())) return;
    this.#old = 0;
    this.#collector.startMarking();
  }
}

function engine(): Collector {
  const collect = exposedCollect();
  return {
    collectYoung: () => void Reflect.apply(collect, undefined, [{ type: "minor" }]),
    startMarking: hintAtMarking,
    heapBytes: () => getHeapStatistics().used_heap_size,
  };
}

/** What `node --expose-gc` would give; the flag can be set at any time. */
function exposedCollect(): (...args: unknown[]) => unknown {
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  if (!isFunction(collect)) throw new Error("this Node.js has no gc()");
  return collect;
}

function isFunction(value: unknown): value is (...args: unknown[]) => unknown {
  return typeof value === "function";
}

/**
 * V8 begins to mark when so much memory has been taken outside of its heap. A buffer that nobody
 * writes to takes address space and nothing else.
 */
function hintAtMarking(): void {
  try {
    new ArrayBuffer(markHintBytes);
  } catch {
    // No address space to spare: then V8 collects when it thinks fit.
  }
}
