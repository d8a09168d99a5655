import type { PickleLimits } from "../pickle/limits.js";

/**
 * Limits of everything that a peer can make us hold. A legitimate message is dominated by one
 * command. Python 3 writes bytes as a str of the same code points, so each byte beyond 0x7f takes
 * two; deflate adds nothing to speak of to what it cannot compress; Fernet's base64 adds a third.
 */

/** Largest command that passes in one message: far beyond any key that Patroni writes. */
export const commandBytesMax = 8 * 1024 * 1024;

/**
 * The pickle in a frame: a command with every byte doubled, and room for what is around it. The
 * memory for one such message is there once for all connections.
 */
export const messageBytesMax = 2 * commandBytesMax + 4 * 1024 * 1024;

/**
 * Payload of a frame. Doubling adds at most a bit and a half to a byte's eight that deflate's Huffman
 * codes do not take away again; by 4/3 for base64 that is 13 MiB for the largest command.
 */
export const frameBytesMax = 2 * commandBytesMax;

/** The same of a frame that we send: a member may take, and forward, commands of three times the usual size. */
export const sentFrameBytesMax = 3 * frameBytesMax;

/**
 * A frame that is longer than it may be is passed over where it is a leader's, as long as it gets on (`stalledBytesMin` of
 * the network). Beyond this it is taken for none at all.
 */
export const passedOverBytesMax = 512 * 1024 * 1024;

/** A frame up to this size is opened at once. Batches of entries are smaller. */
export const smallFrameBytesMax = 128 * 1024;

/** The same after inflating: a millisecond or two of work. What is larger is opened in slices. */
export const smallMessageBytesMax = 256 * 1024;

/** One slice of a large message: inflating takes a few milliseconds. */
export const inflateSliceBytes = 256 * 1024;

/** The same for decoding its pickle. */
export const opsPerSlice = 16 * 1024;

/**
 * Payload of a frame from somebody who has not said who they are: a random key, an address or a
 * utility list, each below 400 bytes even as a token.
 */
export const handshakeFrameBytesMax = 4 * 1024;

/** The same after inflating. */
export const handshakeMessageBytesMax = 8 * 1024;

/** A utility client reads a status of a few kilobytes; a thousand members would fit. */
export const replyFrameBytesMax = 1024 * 1024;

/** The same after inflating: node names repeat, so a status shrinks by much. */
export const replyMessageBytesMax = 4 * 1024 * 1024;

/**
 * Entries in one message. A batch of vanilla's holds up to 64 KiB of commands, and it takes commands of one byte of
 * any observer. Leaders of ours send fewer: see `raftLimits.batchEntriesMax`.
 */
export const messageEntriesMax = 64 * 1024;

/** Up to so many are read without the general decoder: the shortest write of a key has 150 bytes. */
export const hotEntriesMax = 2 * 1024;

/** Strs in a message are names and addresses; whatever is long is bytes. */
const messageStrBytesMax = 64 * 1024;

/** What a batch of small entries takes when it is decoded, beside a large command's bytes. */
const decodedBatchBytesMax = 8 * 1024 * 1024;

/** Memory for decoding a message: a large command's bytes, and a batch's. */
const decodedBytesMax = commandBytesMax + decodedBatchBytesMax;

/** The worst batch of a vanilla leader comes to 21 MiB: this much more than what the above allow. */
const smallestEntriesBytes = 8 * 1024 * 1024;

/**
 * What decoding a member's message may cost: the worst batch has eleven opcodes and three memo
 * entries an entry. Some hundred milliseconds of work, in slices.
 */
export const messagePickleLimits: Partial<PickleLimits> = {
  opsMax: 12 * messageEntriesMax,
  memoEntriesMax: 4 * messageEntriesMax,
  strBytesMax: messageStrBytesMax,
  allocatedBytesMax: decodedBytesMax + smallestEntriesBytes,
  expandedBytesMax: decodedBytesMax,
};

/** What a member's message may have; of others the constants above are what holds. */
export interface MemberMessageLimits {
  readonly frameBytesMax: number;
  readonly messageBytesMax: number;
  readonly pickle: Partial<PickleLimits>;
}

/**
 * Upstream sends a large entry in pieces where it comes first. Behind small ones it stands with them in one message
 * (`SyncObj.__getEntries` goes on until a batch is full, and takes the entry that fills it). So whoever takes entries
 * of a size has to take messages of it, by the same rules as above.
 *
 * @param entryBytesMax Bytes of the largest command of an entry, `commandBytesMax` at least.
 */
export function memberMessageLimits(entryBytesMax: number): MemberMessageLimits {
  const more = entryBytesMax - commandBytesMax;
  const decoded = entryBytesMax + decodedBatchBytesMax;
  return {
    frameBytesMax: frameBytesMax + 2 * more,
    messageBytesMax: messageBytesMax + 2 * more,
    pickle: {
      ...messagePickleLimits,
      allocatedBytesMax: decoded + smallestEntriesBytes,
      expandedBytesMax: decoded,
    },
  };
}

/** The same for an observer, which anybody can be: it sends single commands, some 20 opcodes each. */
export const observerPickleLimits: Partial<PickleLimits> = {
  ...messagePickleLimits,
  opsMax: 1024,
  memoEntriesMax: 1024,
  allocatedBytesMax: decodedBytesMax,
};

/** One large entry, put together from its pieces: how large the core decides. */
export const entryPickleLimits: Partial<PickleLimits> = {
  opsMax: 1024,
  memoEntriesMax: 1024,
  allocatedBytesMax: 1024 * 1024 * 1024,
  expandedBytesMax: 512 * 1024 * 1024,
};

/** The same before the peer has said who it is, for one short string or list. */
export const handshakePickleLimits: Partial<PickleLimits> = {
  opsMax: 512,
  memoEntriesMax: 512,
  allocatedBytesMax: 64 * 1024,
  expandedBytesMax: 64 * 1024,
};

/** The same for a utility client's reply: some twenty opcodes a member. */
export const replyPickleLimits: Partial<PickleLimits> = {
  opsMax: 256 * 1024,
  memoEntriesMax: 256 * 1024,
  allocatedBytesMax: 32 * 1024 * 1024,
  expandedBytesMax: 32 * 1024 * 1024,
};

/** A member's address: a DNS name of 253 characters, brackets, colon and port, with room. */
export const addressCharsMax = 300;

/** The peer's random key, which we only repeat to it. Upstream's are 32 bytes. */
export const randomKeyBytesMax = 256;

/** Our own random key, as long as upstream's (`TCPTransport._onOutgoingConnected`). */
export const randomKeyBytes = 32;

/** A name of a message or utility command that we do not know is cut to this for the log. */
export const unknownNameCharsMax = 64;

/** What a peer says of its software is cut to this: we keep it and show it. */
export const versionCharsMax = 64;
