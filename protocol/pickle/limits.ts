/** What one pickle may cost. Exceeding any of them is a ProtocolError `pickle-limit`. */
export interface PickleLimits {
  /** Containers within containers. */
  readonly depthMax: number;
  /** Opcodes executed: bounds the stack, and with it what one-byte opcodes can pile up. */
  readonly opsMax: number;
  /** Entries of the memo, and the largest memo index. */
  readonly memoEntriesMax: number;
  /** Bytes of one str or bytes, as it stands in the pickle. */
  readonly stringBytesMax: number;
  /** The same of one str. Not for a text that `_codecs.encode` makes bytes of: that is bytes. */
  readonly strBytesMax: number;
  /** Estimated bytes of memory for all values built. */
  readonly allocatedBytesMax: number;
  /** Bytes that all references to memoised values would take if each were a copy. */
  readonly expandedBytesMax: number;
  /** Decimal digits of an int. */
  readonly intDigitsMax: number;
  /** Characters of one composite dict key or set member (a tuple, bytes, …) in comparable form. */
  readonly keyCharsMax: number;
  /** Values that one opcode makes a container of, or puts into one: a single step of the decoder. */
  readonly itemsPerOpMax: number;
  /** What one opcode may count for, of what counts as opcodes: a single step of the decoder as well. */
  readonly opsPerOpMax: number;
  /** Values of one container. It moves all that it holds in one step when it grows. */
  readonly containerItemsMax: number;
  /** Values that wait for the opcode that takes them, and marks. Looked at between two slices. */
  readonly stackValuesMax: number;
}

const mib = 1024 * 1024;

/** For messages, log entries and all else whose size the frame or the journal already bounds. */
export const pickleMessageLimits: PickleLimits = {
  // Patroni's data nests 6 deep. Python's own pickler gives up below 1,000.
  depthMax: 128,
  // A full frame of vanilla's (64 KiB of entries, or one large entry) needs a few thousand.
  opsMax: 16 * mib,
  memoEntriesMax: 16 * mib,
  // V8 holds no string of 512 Mi characters.
  stringBytesMax: 256 * mib,
  strBytesMax: 256 * mib,
  // An empty dict takes 1 byte in a pickle and 200 in memory.
  allocatedBytesMax: 1024 * mib,
  // Sharing saves vanilla a few bytes a key; a bomb wants gigabytes.
  expandedBytesMax: 256 * mib,
  // Python's own limit for int(str) since 3.11; real ints fit 64 bits.
  intDigitsMax: 4300,
  // Keys are paths and member addresses.
  keyCharsMax: 65_536,
  // Bounded by the opcodes already.
  itemsPerOpMax: 16 * mib,
  opsPerOpMax: 1024 * mib,
  // V8 holds no Map of 16 Mi items.
  containerItemsMax: 16 * mib - 1,
  stackValuesMax: 32 * mib,
};

/** Opcodes of one command: Patroni's have fifty, a value of its own making may have thousands. */
export const commandOpsMax = 16 * 1024;
const commandSpareBytes = 4 * mib;

/**
 * For a command of the log. It may be as large as a text can be, but not grow when it is decoded:
 * every member decodes it, and an observer of no more than 8 MiB could otherwise fill a gigabyte.
 */
export function commandPickleLimits(commandBytes: number): PickleLimits {
  return {
    ...pickleMessageLimits,
    opsMax: commandOpsMax,
    memoEntriesMax: commandOpsMax,
    // Two bytes a character, and once more for bytes that come as a text.
    allocatedBytesMax: 3 * commandBytes + commandSpareBytes,
    expandedBytesMax: commandBytes + commandSpareBytes,
  };
}

/** For the dump: millions of keys, decoded in slices, from our own disk or from the leader. */
export const pickleDumpLimits: PickleLimits = {
  ...pickleMessageLimits,
  // A value of a command nests 126 deep at most, and stands below three containers here.
  depthMax: pickleMessageLimits.depthMax + 32,
  // 20 opcodes a key for 10 million keys, and room.
  opsMax: 1024 * mib,
  // Python memoises every string and container: 4 to 8 entries a key. V8's arrays end at 2^27.
  memoEntriesMax: 100_000_000,
  // Above what a Node process can hold with its largest usual heap: the heap is the real limit.
  allocatedBytesMax: 65_536 * mib,
  expandedBytesMax: 65_536 * mib,
};

/**
 * The same for a dump that a leader sends, of which we know no more than that it calls itself that. Python
 * puts a thousand items into a list or dict at once, and members are a handful; values of Patroni's have kilobytes.
 */
export const pickleReceivedDumpLimits: PickleLimits = {
  ...pickleDumpLimits,
  itemsPerOpMax: 64 * 1024,
  // Some 25 ms of what cannot be done in slices: looking at members of what is shared, at lines, at keys of all types.
  opsPerOpMax: 256 * 1024,
  // Some 50 ms of decoding; bytes take two of them a byte.
  stringBytesMax: 48 * mib,
  strBytesMax: 32 * mib,
  // Two thousand values of Python's at once, in containers that nest 128 deep.
  stackValuesMax: mib,
};

/**
 * The same where it is known how much such a dump may hold.
 *
 * @param inflatedBytes The most that its pickle has.
 * @param keys The most keys that it has.
 */
export function boundedDumpLimits(inflatedBytes: number, keys: number): PickleLimits {
  const { memoEntriesMax, allocatedBytesMax } = pickleReceivedDumpLimits;
  return {
    ...pickleReceivedDumpLimits,
    // Of Patroni's values 300 bytes in memory are a hundred in the pickle; and what is small.
    allocatedBytesMax: Math.min(allocatedBytesMax, 4 * inflatedBytes),
    // Python's 8 entries a key are 150 bytes in the pickle.
    memoEntriesMax: Math.min(memoEntriesMax, Math.ceil(inflatedBytes / 16)),
    expandedBytesMax: inflatedBytes,
    containerItemsMax: Math.min(pickleMessageLimits.containerItemsMax, keys),
  };
}

/** Bytes of one line of the text opcodes that name a class or a module: real names have 40. */
export const globalNameBytesMax = 256;

/**
 * Bytes of one line of the text opcodes that hold a str: unescaping takes time, and nobody has written
 * protocol 0 since Python 2.
 */
export const textLineBytesMax = 64 * 1024;

/** Lone surrogates in one str: each costs half a microsecond, and nobody means them. */
export const surrogatesMax = 64 * 1024;

/** Digits of an int of which as many squared take the time of an opcode. */
export const digitsSquaredPerOp = 32 * 1024;

/** Characters of a line with escapes or a float, and lone surrogates, that take the time of an opcode. */
export const escapedCharsPerOp = 32;
export const surrogatesPerOp = 4;

/**
 * Ints that may all have one hash in V8, which hashes them without a seed (and of those beyond 64 bits nothing but
 * the last 64): a key is compared with so many in the time of an opcode.
 */
const comparedNumbersPerOp = 32;
const comparedBigintsPerOp = 8;

/** Opcodes that a key counts for where `others` stand in its container: each of them may have its hash. */
export function comparisonOps(key: unknown, others: number): number {
  if (typeof key === "number") return Math.floor(others / comparedNumbersPerOp);
  return typeof key === "bigint" ? Math.floor(others / comparedBigintsPerOp) : 0;
}

/** Keys of a container that are looked at, for what equals them in Python, in the time of an opcode. */
export const keysIndexedPerOp = 4;

/** Characters of a composite key, to be compared with others, that take the time of an opcode. */
export const keyCharsPerOp = 1024;

/** Longer comparable forms are remembered as a digest. */
export const rememberedKeyChars = 64;

/**
 * Containers within containers that the encoder writes: more than any decoder takes, so that whatever was
 * decoded can be written again. What nests in itself ends here.
 */
export const encodeDepthMax = pickleDumpLimits.depthMax + 32;

/** Items that go into a list or a dict at once, as Python's pickler does it: a received dump may have few more. */
export const itemsPerBatch = 1000;

/** Containers within containers that a comparison follows, above any decoded value's. */
export const compareDepthMax = 1000;

/** Estimated bytes of memory of each kind of value in V8 (64 bit), for `allocatedBytesMax`. */
export const allocationBytes = {
  string: 24,
  view: 112,
  float: 32,
  bigint: 24,
  list: 48,
  tuple: 72,
  dict: 200,
  set: 200,
  instance: 232,
  item: 8,
  mapItem: 32,
  memoEntry: 8,
  sharedValue: 128,
} as const;
