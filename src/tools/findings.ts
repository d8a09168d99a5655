/** How bad it is. `ill`: it is going wrong now; `risk`: it works, and may not for long. */
export type Severity = "ill" | "risk" | "note";

/** One thing that was found. Texts are whole sentences without a full stop at the end. */
export interface Finding {
  /** In kebab case; part of the interface, so that scripts can rely on it. */
  readonly code: string;
  readonly severity: Severity;
  /** The members that it is about, in order of address; empty: the cluster. */
  readonly members: readonly string[];
  /** What is so. */
  readonly says: string;
  /** What to do; null: nothing. */
  readonly wayOut: string | null;
}

const order: readonly Severity[] = ["ill", "risk", "note"];

/** The worst first; what is equally bad stays in its order. */
export function sortFindings(findings: readonly Finding[]): Finding[] {
  return [...findings].sort((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity));
}

/** Null: nothing was found, not even a note. */
export function worstOf(findings: readonly Finding[]): Severity | null {
  return order.find((severity) => findings.some((each) => each.severity === severity)) ?? null;
}

/** `a`, `a and b`, `a, b and c`. */
export function listed(names: readonly string[]): string {
  const last = names.at(-1) ?? "nobody";
  return names.length < 2 ? last : `${names.slice(0, -1).join(", ")} and ${last}`;
}
