import assert from "node:assert/strict";
import { test } from "node:test";
import * as protocol from "../../protocol/index.js";

/** What a user of 'quorate/protocol' may rely on: a change here is a change of the interface. */
const publicNames = [
  ...["FrameReader", "PickleDecoder", "PickleWriter", "ProtocolError", "PyFloat", "PyFrozenSet"],
  ...[
    "PyInstance",
    "PyOrderedDict",
    "PySurrogateStr",
    "PyTuple",
    "Session",
    "commandKind",
    "commandType",
  ],
  ...["decodeCommand", "decodeEntryTuple", "decodeMessage", "decodePickle", "decodePicklePrefix"],
  ...["deflate", "deriveFernetKey", "encodeDelete", "encodeEntryTuple", "encodeExpire"],
  ...["encodeFrame", "encodeMembers", "encodeMembership", "encodeMessage", "encodeNoOp"],
  ...[
    "encodePickle",
    "encodeSet",
    "encodeStatus",
    "encodeStoredSet",
    "encodeUtility",
    "encodeVersion",
  ],
  ...["failReason", "inflate", "kvFunction", "nodeId", "observerHello", "openToken"],
  ...["parseMembers", "parseStatus", "parseUtility", "pickleDumpLimits", "pickleMessageLimits"],
  ...["protocolFaults", "pyEquals", "pyTruthy", "sealToken", "splitAddress", "tcpNode"],
  "utilityOutcome",
];

test("the public exports are these", () => {
  assert.deepEqual(Object.keys(protocol).sort(), publicNames);
});
