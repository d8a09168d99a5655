import { frameBytesMax, messageBytesMax } from "../../protocol/wire/limits.js";
import {
  oldGarbageBytesMin,
  strangersReceiveBytesMax,
  youngGarbageBytesMax,
} from "../../src/net/limits.js";

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
