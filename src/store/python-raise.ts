/**
 * Vanilla would raise here, and stop for good. Thrown by the rules before anything has changed and
 * caught by the store; never seen outside this house.
 */
export class PythonRaise extends Error {
  constructor(message: string) {
    super(message);
    this.name = "PythonRaise";
  }
}
