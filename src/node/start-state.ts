import { deriveFernetKey } from "../../protocol/wire/fernet.js";
import type { Logger } from "../logger.js";
import type { InitialState, RaftConfig } from "../raft/types.js";
import type { Recovered } from "../storage/storage.js";
import type { Config } from "./config-types.js";
import { type Discovered, type DiscoveryHost, discover } from "./discovery.js";
import type { Environment } from "./environment.js";
import { logBytesMax } from "./log-bytes.js";

/** Who is in the cluster, by a partner that runs already; null where none does. */
export async function findCluster(
  config: Config,
  logger: Logger,
  environment: Environment,
): Promise<Discovered | null> {
  const { selfAddr, partnerAddrs, password, timeouts } = config;
  if (partnerAddrs.length === 0) return null;
  const key = password === null ? null : deriveFernetKey(password);
  const { clock, askUtility } = environment;
  const ask: DiscoveryHost["ask"] = (address, request, timeoutMs) =>
    askUtility(address, request, { timeoutMs, key });
  const whom = { self: selfAddr, partners: partnerAddrs };
  return discover({ ask, logger, clock }, whom, timeouts.discoveryMs);
}

export function raftConfig(config: Config, environment: Environment): RaftConfig {
  const { random, guardsOff } = environment;
  const { selfAddr, timeouts, onConflict, entryBytesMax, dataBytesMax } = config;
  return {
    selfId: selfAddr,
    electionTimeoutMsMin: timeouts.electionTimeoutMinMs,
    electionTimeoutMsMax: timeouts.electionTimeoutMaxMs,
    heartbeatMs: timeouts.heartbeatPeriodMs,
    leaderFallbackMs: timeouts.leaderFallbackMs,
    onConflict,
    entryBytesMax,
    dataBytesMax,
    logBytesMax: environment.logBytesMax ?? logBytesMax(config),
    tellsAtTurnEnd: true,
    random,
    ...(guardsOff === undefined ? {} : { guardsOff }),
  };
}

/**
 * Whom the cluster consists of: the dump knows best, because the log goes on from it; then what a
 * running member told; then the configuration.
 */
export function initialState(
  config: Config,
  discovered: Discovered | null,
  recovered: Recovered,
): InitialState {
  const { dump, term, votedFor, commitIndex, entries } = recovered;
  const told = discovered?.members.map(({ address }) => address);
  // Where our files are not whole, what they say of the members may be out of date.
  const known = recovered.forgotTerm ? (told ?? dump?.members) : (dump?.members ?? told);
  const members = known ?? config.partnerAddrs;
  return {
    term,
    votedFor,
    commitIndex,
    appliedIndex: dump?.last.index ?? 1,
    entries,
    members,
    guests: guestsOf(config, discovered, recovered),
    mustRefetch: recovered.mustRefetch,
    forgotTerm: recovered.forgotTerm,
    secondTerm: recovered.secondTerm,
    termFloor: recovered.termFloor,
    isNew: recovered.isNew,
    areMembersTold: told !== undefined && known === told,
    isJoining: told !== undefined && !told.includes(config.selfAddr),
  };
}

/**
 * Who is heard besides the members. Whoever told a member that has lost something who they are may have missed
 * that others came: those count as well that anybody names. Else the members may have changed since our dump.
 */
function guestsOf(
  { selfAddr, partnerAddrs }: Config,
  discovered: Discovered | null,
  { dump, mustRefetch, forgotTerm, isNew }: Recovered,
): readonly string[] {
  const addresses = discovered?.members.map(({ address }) => address) ?? [];
  const known = [...partnerAddrs, ...(dump?.members ?? [])];
  // The members are those that were told.
  if (forgotTerm || isNew) return known;
  if (mustRefetch) return [...known, ...addresses];
  return addresses.includes(selfAddr) ? addresses : [];
}

/**
 * An empty member that comes to a cluster with a leader may have been there before, and voted. Not where
 * that is a cluster of two: see history.ts of the raft house.
 */
export function mayHaveVoted(
  { selfAddr, partnerAddrs }: Pick<Config, "selfAddr" | "partnerAddrs">,
  recovered: Recovered,
  discovered: Discovered | null,
): boolean {
  if (!recovered.isNew || discovered === null) return false;
  const named = [...discovered.members.map(({ address }) => address), ...partnerAddrs];
  const others = new Set(named.filter((address) => address !== selfAddr));
  return others.size > 1 && discovered.members.some(({ leader }) => leader);
}
