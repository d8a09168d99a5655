import { encodeMembership } from "../../protocol/log/commands.js";
import type { Entry } from "../../protocol/log/entry.js";
import { encodeEntryTuple } from "../../protocol/wire/message-codec.js";
import type { PeerMessage } from "../../protocol/wire/messages.js";
import { raftLimits } from "../../src/raft/limits.js";
import type { Effect, PeerStatus } from "../../src/raft/types.js";
import { answerOf, appendFrom, entry, logOf, preVoteAnswer, Solo } from "./solo.js";

/*
 * The interpreter of golden/*.txt. A line `> word argument…` is an input; `#` begins a comment, kept
 * as it is; everything else is what the core did, and is written anew.
 */

/** Plays a recorded scenario and returns it with the answers that the core gives now. */
export function play(recorded: string): string {
  const out: string[] = [];
  let solo: Solo | null = null;
  for (const line of recorded.split("\n")) {
    if (line.startsWith("#") || line === "") out.push(line);
    if (!line.startsWith("> ")) continue;
    out.push(line);
    const [word = "", ...args] = line.slice(2).split(/\s+/);
    if (word === "member") {
      solo = start(args);
      for (const effect of solo.effects.splice(0)) out.push(...told(effect));
      out.push(`  ${standing(solo)}`);
      continue;
    }
    if (solo === null) throw new Error("a scenario begins with `> member`");
    const before = standing(solo);
    input(solo, word, args);
    for (const effect of solo.effects.splice(0)) out.push(...told(effect));
    const after = standing(solo);
    if (after !== before) out.push(`  ${after}`);
  }
  return out.join("\n");
}

type Options = ReadonlyMap<string, string>;

function optionsOf(args: readonly string[]): Options {
  return new Map(args.map((arg) => arg.split("=") as [string, string]));
}

function numberOf(options: Options, name: string, otherwise = 0): number {
  return Number(options.get(name) ?? otherwise);
}

/** `3@2` is the entry, or the position, of index 3 and term 2. */
function positionOf(text = ""): [number, number] {
  const [index, term] = text.split("@").map(Number);
  return [index ?? 0, term ?? 0];
}

function entriesOf(text = ""): Entry[] {
  const items = text === "" ? [] : text.split(",");
  return items.map((item) => {
    const [place = "", change] = item.split(":add-");
    const [index, term] = positionOf(place);
    return change === undefined
      ? entry(index, term)
      : { index, term, command: encodeMembership("add", `${change}:1`) };
  });
}

function start(args: readonly string[]): Solo {
  const options = optionsOf(args);
  const peers = (options.get("peers") ?? "b,c").split(",").map((name) => `${name}:1`);
  const terms = (options.get("log") ?? "0").split(",").map(Number);
  return new Solo({
    peers,
    entries: logOf(terms),
    term: numberOf(options, "term"),
    commit: numberOf(options, "commit", 1),
    quorate: options.get("peers-are") === "quorate",
  });
}

function input(solo: Solo, word: string, args: readonly string[]): void {
  const options = optionsOf(args);
  const peer = `${args[0]}:1`;
  switch (word) {
    case "timeout":
      solo.timeOut();
      break;
    case "tick":
      solo.tick(Number(args[0] ?? 0));
      break;
    case "propose":
      solo.propose(args[0] === "large" ? new Uint8Array(150_000) : (args[0] ?? ""), 1);
      break;
    case "add":
      solo.propose(encodeMembership("add", peer), 1);
      break;
    case "transfer":
      solo.step({ kind: "transfer", target: peer, id: 1 });
      break;
    case "disk":
      solo.autoDisk = args[0] === "prompt";
      if (args[0] === "syncs") solo.sync();
      break;
    case "connected":
      solo.connect(peer, args[1] === "quorate");
      break;
    case "disconnected":
      solo.step({ kind: "disconnected", peer });
      break;
    case "dump-written":
      solo.step({ kind: "dump-written", previousIndex: Number(args[0]) });
      break;
    case "snapshot-sent":
      solo.step({ kind: "snapshot-sent", to: peer, lastIndex: numberOf(options, "last") });
      break;
    case "snapshot-received":
      snapshotReceived(solo, peer, options);
      break;
    case "status":
      solo.status(peer, statusOf(args.slice(1)));
      break;
    case "large-entry":
      largeEntry(solo, peer, options);
      break;
    default:
      solo.receive(peer, messageOf(word, optionsOf(args.slice(1))));
  }
}

function snapshotReceived(solo: Solo, from: string, options: Options): void {
  const [index, term] = positionOf(options.get("last"));
  const previous = entry(...positionOf(options.get("previous")));
  const members = ["a:1", "b:1", "c:1"];
  const summary = { last: entry(index, term), previous, members };
  solo.step({ kind: "snapshot-received", from, term: numberOf(options, "term"), summary });
}

function largeEntry(solo: Solo, from: string, options: Options): void {
  const [index, term] = positionOf(options.get("entry"));
  const [prevLogIdx, prevLogTerm] = positionOf(options.get("prev"));
  const pickle = encodeEntryTuple({ index, term, command: new Uint8Array(150_000) });
  const size = raftLimits.batchBytesMax;
  for (let at = 0; at < pickle.length; at += size) {
    const transmission = at === 0 ? "start" : at + size >= pickle.length ? "finish" : "process";
    const data = pickle.subarray(at, at + size);
    const commitIndex = numberOf(options, "commit", 1);
    const piece = { data, transmission, prevLogIdx, prevLogTerm, commitIndex } as const;
    solo.receive(from, { type: "append_chunk", term: numberOf(options, "term"), ...piece });
  }
}

function statusOf(args: readonly string[]): Partial<PeerStatus> | null {
  if (args[0] === "none") return null;
  const options = optionsOf(args);
  const term = options.has("term") ? { term: numberOf(options, "term") } : {};
  const commitIndex = numberOf(options, "commit", 1);
  return { commitIndex, ...term, version: options.get("version") ?? "0.3.15" };
}

function messageOf(word: string, options: Options): PeerMessage {
  const term = numberOf(options, "term");
  const [lastLogIndex, lastLogTerm] = positionOf(options.get("last"));
  switch (word) {
    case "request-vote":
      return { type: "request_vote", term, lastLogIndex, lastLogTerm };
    case "vote":
      return { type: "response_vote", term };
    case "pre-vote":
      return preVoteAnswer(term);
    case "append": {
      const entries = entriesOf(options.get("entries"));
      const prev = positionOf(options.get("prev"));
      return appendFrom(term, prev, entries, numberOf(options, "commit", 1));
    }
    case "matched":
      return answerOf(numberOf(options, "next"));
    case "reset":
      return answerOf(numberOf(options, "next"), { success: false, reset: true });
    case "timeout-now":
      return { type: "timeout_now", term };
    default:
      throw new Error(`a scenario says ${word}, which is nothing`);
  }
}

function standing({ state }: Solo): string {
  const log = state.log
    .slice(state.log.firstIndex, state.log.lastIndex)
    .map(({ index, term }) => `${index}@${term}`)
    .join(" ");
  const looking = state.inquest === null ? "" : " (looking at its peers' logs)";
  const leader = state.leader ?? "nobody";
  return (
    `= ${state.role}${looking} in term ${state.term}, led by ${leader}, ` +
    `commit ${state.commitIndex}, log ${log}`
  );
}

function placesOf(entries: readonly Entry[]): string {
  return entries.map(({ index, term }) => `${index}@${term}`).join(" ");
}

/** One effect in words; `(after n)` where it waits for write n. */
function told(effect: Effect): string[] {
  switch (effect.kind) {
    case "append":
      return [`  write ${effect.seq}: append ${placesOf(effect.entries)}`];
    case "truncate":
      return [`  write ${effect.seq}: truncate from ${effect.fromIndex}`];
    case "meta":
      return [`  write ${effect.seq}: term ${effect.term}, vote ${effect.votedFor ?? "none"}`];
    case "compact":
      return [`  write ${effect.seq}: drop entries before ${effect.keepFrom}`];
    case "install":
      return [`  write ${effect.seq}: take over the dump, keep [${placesOf(effect.keep)}]`];
    case "send":
      return [`  -> ${effect.to.join(" ")}: ${wordsOf(effect.message)}${waiting(effect.after)}`];
    case "apply":
      return [`  apply ${placesOf(effect.entries)}`];
    case "rebuild":
      return [`  rebuild the store from ${placesOf(effect.entries)}`];
    case "save-commit":
      return [`  store commit index ${effect.index}${waiting(effect.after)}`];
    case "ask-status":
      return [`  ask ${effect.peer} for its status`];
    case "send-snapshot":
      return [`  send a dump to ${effect.to}`];
    case "cancel-snapshot":
      return [`  send no more of the dump to ${effect.to}`];
    case "answer":
      return [`  answer ${outcomeOf(effect.outcome)}${waiting(effect.after)}`];
    case "members":
      return [`  members: ${effect.members.join(" ")}`];
    case "conflict":
      return [`  write ${effect.seq}: keep beside ${placesOf(effect.entries)}`];
    case "note":
      return [`  ${effect.note.level}: ${effect.note.code}`];
    case "leadership":
      return [];
    default:
      return [`  ${effect.kind}`];
  }
}

type Outcome = Extract<Effect, { kind: "answer" }>["outcome"];

function outcomeOf(outcome: Outcome): string {
  return outcome.appended ? `appended ${outcome.index}@${outcome.term}` : `error ${outcome.error}`;
}

function waiting(after: number): string {
  return after === 0 ? "" : ` (after ${after})`;
}

function wordsOf(message: PeerMessage): string {
  switch (message.type) {
    case "append_entries": {
      const { prevLogIdx, prevLogTerm, entries, term, commitIndex } = message;
      const far = prevLogIdx === raftLimits.unreachableIndex;
      const prev = far ? "a place that no log reaches" : `${prevLogIdx}@${prevLogTerm}`;
      const what = entries.length === 0 ? "nothing" : placesOf(entries);
      return `append_entries term ${term}: ${what} after ${prev}, commit ${commitIndex}`;
    }
    case "append_chunk":
      return `append_entries term ${message.term}: ${message.transmission} of a large entry, ${message.data.length} bytes`;
    case "install_snapshot":
      return `append_entries term ${message.term}: no dump yet`;
    case "request_vote": {
      const { term, lastLogIndex, lastLogTerm } = message;
      return `request_vote term ${term}, log ends ${lastLogIndex}@${lastLogTerm}`;
    }
    case "next_node_idx": {
      const { nextNodeIdx, reset, success } = message;
      return `next_node_idx ${nextNodeIdx}${success ? " success" : ""}${reset ? " reset" : ""}`;
    }
    case "quorate_pre_vote":
      return `pre-vote for term ${message.term}?`;
    default:
      return "term" in message ? `${message.type} term ${message.term}` : message.type;
  }
}
