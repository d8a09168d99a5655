import { signed } from "../tools/doctor/clocks.js";
import type { TwoLooks } from "../tools/doctor/looks.js";
import { type Finding, worstOf } from "../tools/findings.js";
import { type Answer, answerOf, leaderOf } from "../tools/survey.js";
import { escapeControls } from "./escape.js";
import { formatTable } from "./table.js";

const roles = ["follower", "candidate", "leader"] as const;

/** The verdict in a line, the evidence, the way out. */
export function formatLooks(looks: TwoLooks, findings: readonly Finding[]): string {
  return `${verdictOf(findings)}\n\n${evidence(looks)}${formatFindings(findings)}`;
}

export type Verdict = "well" | "risk" | "ill";

export function verdictWord(findings: readonly Finding[]): Verdict {
  const worst = worstOf(findings);
  return worst === "ill" || worst === "risk" ? worst : "well";
}

export function verdictOf(findings: readonly Finding[]): string {
  const worst = verdictWord(findings);
  if (worst === "well") return "WELL: nothing is wrong";
  const first = findings.filter(({ severity }) => severity === worst);
  const codes = [...new Set(first.map(({ code }) => code))].join(", ");
  return worst === "ill" ? `ILL: ${codes}` : `AT RISK: it works, but: ${codes}`;
}

/** Findings under each other, and then what to do about them, numbered alike; what is said twice, once. */
export function formatFindings(findings: readonly Finding[]): string {
  if (findings.length === 0) return "";
  const words = { ill: "ill ", risk: "risk", note: "note" } as const;
  const found = findings.map(({ severity, says }, at) => `${at + 1}. ${words[severity]}  ${says}`);
  const numbers = new Map<string, number[]>();
  for (const [at, { wayOut }] of findings.entries()) {
    if (wayOut !== null) numbers.set(wayOut, [...(numbers.get(wayOut) ?? []), at + 1]);
  }
  const ways = [...numbers].map(([wayOut, at]) => `${at.join(", ")}. ${wayOut}`);
  return `\nFOUND\n${lines(found)}${ways.length > 0 ? `\nWAY OUT\n${lines(ways)}` : ""}`;
}

function lines(texts: readonly string[]): string {
  return texts.map((text) => `${escapeControls(text)}\n`).join("");
}

function evidence({ before, after }: TwoLooks): string {
  const leader = leaderOf(after);
  const rows = after.answers.map((answer) => [
    answer.self,
    answer.software.name,
    roles[answer.status.state] ?? "-",
    String(answer.status.raftTerm),
    moved(answerOf(before, answer.self)?.status.commitIdx, answer.status.commitIdx),
    moved(answerOf(before, answer.self)?.status.lastApplied, answer.status.lastApplied),
    leader === null ? "-" : String(Math.max(0, leader.status.commitIdx - answer.status.commitIdx)),
    String(answer.status.logLen),
    linksOf(answer),
    `${answer.status.uptimeSec} s`,
    answer.clockAheadSec === null ? "-" : signed(answer.clockAheadSec),
  ]);
  const silent = after.silences.map(({ address, reason }) => [address, reason]);
  const headings = ["MEMBER", "SOFTWARE", "ROLE", "TERM", "COMMITTED", "APPLIED", "BEHIND"];
  return formatTable([...headings, "LOG", "LINKS", "UP", "CLOCK"], [...rows, ...silent]);
}

/** `12 → 15`: what a number was and is. */
function moved(was: number | undefined, is: number): string {
  return was === undefined || was === is ? String(is) : `${was} → ${is}`;
}

function linksOf({ status }: Answer): string {
  const connected = status.partners.filter((partner) => partner.connected).length;
  return `${connected} of ${status.partners.length}`;
}

export function jsonLooks(looks: TwoLooks, findings: readonly Finding[]): unknown {
  const { before, after, intervalSec } = looks;
  return {
    verdict: verdictWord(findings),
    findings,
    intervalSec,
    members: after.answers.map((answer) => {
      const earlier = answerOf(before, answer.self);
      return {
        address: answer.self,
        software: answer.software.name,
        before: earlier === null ? null : numbersOf(earlier),
        after: numbersOf(answer),
        clockAheadSec: answer.clockAheadSec,
        roundTripSec: answer.roundTripSec,
      };
    }),
    silent: after.silences,
  };
}

function numbersOf({ status }: Answer): Readonly<Record<string, unknown>> {
  return {
    role: roles[status.state] ?? null,
    leader: status.leader,
    hasQuorum: status.hasQuorum,
    term: status.raftTerm,
    commitIndex: status.commitIdx,
    appliedIndex: status.lastApplied,
    logLength: status.logLen,
    uptimeSec: status.uptimeSec,
    members: status.partners,
  };
}
