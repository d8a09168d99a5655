import { ProtocolError } from "../../protocol/errors.js";
import type { PickleLimits } from "../../protocol/pickle/limits.js";
import type { SnapshotChunk } from "../../protocol/wire/messages.js";
import type { Clock } from "../clock.js";
import type { Logger } from "../logger.js";
import type { DataLimits, DumpReceiver, ReceivedDump } from "../storage/storage.js";
import { Store } from "../store/store.js";
import { nodeLimits } from "./limits.js";

/** The limits of a dump's pickle that go with how much data it may hold. */
const sizeLimits: ReadonlySet<string> = new Set<keyof PickleLimits>([
  ...(["allocatedBytesMax", "expandedBytesMax", "memoEntriesMax"] as const),
  "containerItemsMax",
]);

export interface SnapshotInboxHost {
  readonly clock: Clock;
  /** Of the stores that are built: as many as usual where it is not said. */
  readonly keysPerSlice?: number | undefined;
  /** What `received` may bring. */
  readonly limits: DataLimits;
  receiveDump(limits: DataLimits): DumpReceiver;
  discardDump(dump: ReceivedDump): Promise<void>;
  /** What came is no dump that can be used. */
  unusable(from: string, error: unknown): void;
  /** It holds more than is taken; `fixed`: of something of which no setting allows more. */
  refused(from: string, term: number, fixed: string | null): void;
  /** Nothing more is read from there for now: the disk is slower. */
  setHeld(from: string, isHeld: boolean): void;
  /** A dump came whole and is sound. */
  received(from: string, term: number, dump: ReceivedDump): void;
}

/** A dump whose store is built already: to build it takes longer than the loop may be held. */
export interface OfferedDump {
  readonly received: ReceivedDump;
  readonly store: Store;
}

/** Takes a leader's dump in, piece by piece, in the order in which the pieces came. */
export class SnapshotInbox {
  readonly #host: SnapshotInboxHost;
  readonly #logger: Logger;
  #receiver: DumpReceiver | null = null;
  #work: Promise<void> = Promise.resolve();
  /** Bytes of pieces that wait for the disk. */
  #waitingBytes = 0;
  /** Who is not read from meanwhile. */
  readonly #held = new Set<string>();
  /** Dumps that were begun, and the last of them that was given up: the rest of it is of no use. */
  #begun = 0;
  #givenUp = 0;
  /** Whose dump has come whole and is being read, which takes long. */
  #reading: { readonly from: string; readonly term: number } | null = null;
  /** Received and offered to the core, which has not decided yet. */
  #offered: OfferedDump | null = null;

  constructor(host: SnapshotInboxHost, logger: Logger) {
    this.#host = host;
    this.#logger = logger;
  }

  take(from: string, term: number, chunk: SnapshotChunk): void {
    // PySyncObj's leaders send it again until they hear that it is there.
    if (this.#reading?.from === from && this.#reading.term === term) return;
    if (chunk.isFirst) this.#begun += 1;
    const begun = this.#begun;
    if (begun === this.#givenUp) return;
    const reading = { from, term };
    if (chunk.isLast) this.#reading = reading;
    const bytes = chunk.data.length;
    this.#wait(bytes, from);
    this.#work = this.#work
      .then(() => this.#takeInOrder(from, term, chunk))
      .catch(async (error: unknown) => {
        this.#givenUp = begun;
        if (isTooLarge(error)) this.#host.refused(from, term, fixedLimit(error));
        else this.#host.unusable(from, error);
        await this.#drop();
      })
      .finally(() => {
        if (this.#reading === reading) this.#reading = null;
        this.#done(bytes);
      });
  }

  /** There is a new connection from there: it is held where the one before was. */
  connected(from: string): void {
    if (this.#held.has(from)) this.#host.setHeld(from, true);
  }

  #wait(bytes: number, from: string): void {
    this.#waitingBytes += bytes;
    if (this.#waitingBytes <= nodeLimits.snapshotWaitingBytesMax || this.#held.has(from)) return;
    this.#held.add(from);
    this.#host.setHeld(from, true);
  }

  #done(bytes: number): void {
    this.#waitingBytes -= bytes;
    if (this.#waitingBytes > nodeLimits.snapshotWaitingBytesMax) return;
    for (const held of this.#held) this.#host.setHeld(held, false);
    this.#held.clear();
  }

  /** The dump that the core decided to install. */
  takeOffered(): OfferedDump {
    const offered = this.#offered;
    if (offered === null) throw new Error("no dump to install");
    this.#offered = null;
    return offered;
  }

  /** The core has no use for it. */
  discard(): void {
    const offered = this.#offered;
    this.#offered = null;
    if (offered !== null) void this.#remove(offered.received);
  }

  async close(): Promise<void> {
    await this.#work;
    await this.#drop();
    const offered = this.#offered;
    this.#offered = null;
    if (offered !== null) await this.#remove(offered.received);
  }

  async #takeInOrder(from: string, term: number, chunk: SnapshotChunk): Promise<void> {
    if (chunk.isFirst) {
      await this.#drop();
      this.#receiver = this.#host.receiveDump(this.#host.limits);
    }
    const receiver = this.#receiver;
    if (receiver === null) return;
    if (chunk.data.length > 0) await receiver.write(chunk.data);
    if (!chunk.isLast) return;
    this.#receiver = null;
    const received = await receiver.finish();
    try {
      this.#offered = { received, store: await this.#buildStore(received) };
    } catch (error) {
      // Its file is whole, and nobody else knows of it: each further attempt would leave one more.
      await this.#remove(received);
      throw error;
    }
    this.#host.received(from, term, received);
  }

  async #remove(received: ReceivedDump): Promise<void> {
    try {
      await this.#host.discardDump(received);
    } catch (error) {
      this.#logger.warn(`a received dump is left behind: ${String(error)}`);
    }
  }

  async #drop(): Promise<void> {
    const receiver = this.#receiver;
    this.#receiver = null;
    try {
      await receiver?.abort();
    } catch (error) {
      // The next one takes its place, or a start clears it away.
      this.#logger.warn(`a dump that was not finished is left behind: ${String(error)}`);
    }
  }

  async #buildStore({ dump }: ReceivedDump): Promise<Store> {
    const { limits, keysPerSlice } = this.#host;
    const steps = Store.fromDumpSteps(dump.data, limits.dataBytesMax, keysPerSlice);
    for (;;) {
      const step = steps.next();
      if (step.done === true) return step.value;
      await new Promise<void>((resolve) => this.#host.clock.soon(resolve));
    }
  }
}

/** By its bytes, or by what its pickle would take in memory. */
function isTooLarge(error: unknown): error is ProtocolError {
  if (!(error instanceof ProtocolError)) return false;
  return error.code === "dump-too-large" || error.code === "pickle-limit";
}

/** What is beyond a limit that does not go with `quorate.max_data_bytes`: see dumpBounds. */
function fixedLimit({ code, limit, message }: ProtocolError): string | null {
  if (code !== "pickle-limit" || (limit !== undefined && sizeLimits.has(limit))) return null;
  return message;
}
