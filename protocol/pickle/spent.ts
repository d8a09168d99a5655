/** How far a decoding has come, and what it has cost by then. */
export interface Spent {
  position: number;
  ops: number;
  allocated: number;
  expanded: number;
  /** Entries of the memo. */
  memo: number;
}
