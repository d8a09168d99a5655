/** One piece of text for another. */
interface Change {
  /** Under the build folder. */
  readonly file: string;
  readonly edits: readonly (readonly [from: string, to: string])[];
}

/** A safety rule taken out of the built code. */
export interface Mutant extends Change {
  readonly name: string;
  /** What is wrong then. */
  readonly rule: string;
  /** The rules that would be enough without this one, and have to go as well. */
  readonly also?: readonly Change[];
  /** The kind of scenario that is most likely to show it; each in turn where it is not said. */
  readonly profile?: string;
}
