import { frameBytesMax, messageBytesMax } from "../../protocol/wire/limits.js";
import {
  observersSendBytesMax,
  oldGarbageBytesMin,
  sendBufferBytesMax,
  strangersReceiveBytesMax,
  youngGarbageBytesMax,
} from "../../src/net/limits.js";
import { nodeLimits } from "../../src/node/limits.js";
import { acceptedCallBytesMax } from "../../src/store/limits.js";

/** What attackers may cost a member, from the limits alone; README.md and docs/security.md name the sums. */

const mib = 1024 * 1024;

/** Three halves of V8's young generation, each of 16 MiB unless told otherwise. */
const youngGenerationMib = 48;

/**
 * What a member may take under attack beyond what it has when it has served its cluster for a while:
 * the sum of what the limits allow at once. That is one message of a stranger and one of a member inflated,
 * the unfinished frames of strangers and one of the member that we forge, and garbage that is not collected yet.
 */
export const attackedMibMax =
  (2 * messageBytesMax +
    strangersReceiveBytesMax +
    frameBytesMax +
    youngGarbageBytesMax +
    oldGarbageBytesMin) /
    mib +
  youngGenerationMib;

/** What the last rounds of attacks may reach beyond the early ones: garbage between two collections. */
export const plateauMibMax = oldGarbageBytesMin / mib;

/** What the attack of those who do not read holds of data, and the log of what is written to the same keys. */
const overwrittenMib = 24;
const overwrittenLogMib = 128;

/**
 * The same for observers that never read while others overwrite a few large values: what waits for all observers
 * and for the other member, proposals that wait, decoded calls, the log, the data, and the data as they
 * were when a dump of them was begun.
 */
export const unreadMibMax =
  attackedMibMax +
  (observersSendBytesMax +
    sendBufferBytesMax +
    nodeLimits.gatheredBytesMax +
    acceptedCallBytesMax) /
    mib +
  overwrittenLogMib +
  2 * overwrittenMib;
