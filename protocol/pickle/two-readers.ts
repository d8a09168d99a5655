/**
 * Python has two readers: the first is written in C, and where it gives up PySyncObj takes the second, which minds
 * where frames end. What only one of them takes is noted here while a pickle is decoded.
 */
export class TwoReaders {
  readonly #met = { frame: false, longFrame: false, first: false, second: false };

  /**
   * @param what `first`, `second`: only this one takes it, or takes it so. `longFrame`: one that goes on behind the
   *   data, at which the first one gives up, and the second one in Pythons to come.
   */
  meet(what: "frame" | "longFrame" | "first" | "second"): void {
    this.#met[what] = true;
  }

  /**
   * To be asked at the end of a pickle. To read it as Python does where it holds of both would be for nothing: nobody
   * has ever written such a one.
   *
   * @returns why it is not read, or null.
   */
  objection(): string | null {
    const { frame, longFrame, first, second } = this.#met;
    if (longFrame) return "a frame goes on behind the pickle";
    return second && (frame || first)
      ? "a pickle that no reader of Python's takes as a whole"
      : null;
  }
}
