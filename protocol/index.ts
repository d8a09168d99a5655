/**
 * The protocol and the file formats of PySyncObj: bytes to values and back, without sockets, files
 * or clocks, and without ever executing what a pickle asks for. What stands here is public.
 *
 * @module quorate/protocol
 */
export {
  ProtocolError,
  type ProtocolErrorDetails,
  type ProtocolFault,
  protocolFaults,
  type Reaction,
} from "./errors.js";
export {
  type Command,
  type CommandKind,
  commandKind,
  commandType,
  decodeCommand,
  encodeMembership,
  encodeNoOp,
  encodeVersion,
  type RegularCall,
} from "./log/commands.js";
export type { Entry } from "./log/entry.js";
export {
  encodeDelete,
  encodeExpire,
  encodeSet,
  encodeStoredSet,
  type KvConditions,
  type KvDeleteOptions,
  type KvValue,
  kvFunction,
} from "./log/kv-calls.js";
export { type AddressParts, nodeId, splitAddress, tcpNode } from "./log/tcp-node.js";
export {
  decodePickle,
  decodePicklePrefix,
  PickleDecoder,
  type PicklePrefix,
} from "./pickle/decoder.js";
export { encodePickle } from "./pickle/encoder.js";
export { type PickleLimits, pickleDumpLimits, pickleMessageLimits } from "./pickle/limits.js";
export { pyEquals, pyTruthy } from "./pickle/py-equal.js";
export {
  type PyDict,
  PyFloat,
  PyFrozenSet,
  PyInstance,
  type PyList,
  PyOrderedDict,
  type PySet,
  PySurrogateStr,
  PyTuple,
  type PyValue,
} from "./pickle/values.js";
export { PickleWriter } from "./pickle/writer.js";
export { deflate, inflate } from "./wire/compression.js";
export {
  deriveFernetKey,
  type FernetKey,
  type OpenedToken,
  openToken,
  sealToken,
} from "./wire/fernet.js";
export { encodeFrame, type FrameLimits, FrameReader } from "./wire/frame.js";
export {
  decodeEntryTuple,
  decodeMessage,
  encodeEntryTuple,
  encodeMessage,
  type UnknownMessage,
} from "./wire/message-codec.js";
export {
  type AppendChunk,
  type AppendEntries,
  type ApplyCommand,
  type ApplyCommandResponse,
  failReason,
  type InstallSnapshot,
  type NextNodeIdx,
  type PeerMessage,
  type QuorateHello,
  type QuorateMessage,
  type QuoratePing,
  type QuoratePong,
  type QuoratePreVote,
  type QuoratePreVoteAnswer,
  type RequestVote,
  type ResponseVote,
  type SnapshotChunk,
  type TimeoutNow,
} from "./wire/messages.js";
export type { OpeningState } from "./wire/opening.js";
export {
  observerHello,
  Session,
  type SessionEvent,
  type SessionOptions,
  type SessionRole,
  type SessionState,
  type SessionStep,
} from "./wire/session.js";
export {
  encodeMembers,
  encodeStatus,
  encodeUtility,
  type MemberInfo,
  type MemberStatus,
  type NodeConnection,
  parseMembers,
  parseStatus,
  parseUtility,
  type UtilityRequest,
  utilityOutcome,
} from "./wire/utility.js";
