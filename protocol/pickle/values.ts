/**
 * Python values as JavaScript holds them. Types that JavaScript has stand for themselves: None is
 * null, a str is a string, an int a number (a bigint beyond the safe integers, always, so that each
 * int has one form), a list an array, a dict a Map, a set a Set, bytes a Uint8Array. The classes
 * here stand for what JavaScript lacks.
 */
export type PyValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PyFloat
  | PyTuple
  | PyFrozenSet
  | PyInstance
  | PySurrogateStr
  | PyList
  | PyDict
  | PySet;

// Interfaces, because a type alias cannot refer to itself through a generic.

/** A Python list. */
export interface PyList extends Array<PyValue> {}
/** A Python dict, in its order. */
export interface PyDict extends Map<PyValue, PyValue> {}
/** A Python set. */
export interface PySet extends Set<PyValue> {}

/** A Python bytearray: equal to bytes, but no key. */
export class PyByteArray extends Uint8Array<ArrayBufferLike> {}

/** A Python OrderedDict: equal to another one only where the order is the same, and to a dict in any. */
export class PyOrderedDict extends Map<PyValue, PyValue> {}

/** A Python float: `1.0` is not `1`, and both can stand in one message. */
export class PyFloat {
  /** Also nan, inf and -0. */
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

/** A Python tuple. */
export class PyTuple {
  /** In their order. */
  readonly items: readonly PyValue[];

  constructor(items: readonly PyValue[]) {
    this.items = items;
  }
}

/** A Python frozenset. */
export class PyFrozenSet {
  /** In the order of the pickle. */
  readonly items: readonly PyValue[];

  constructor(items: readonly PyValue[]) {
    this.items = items;
  }
}

/** An instance of one of the few classes that travel: held as data, never constructed. */
export class PyInstance {
  /** Dotted name, e.g. `pysyncobj.node.TCPNode`. */
  readonly className: string;
  /** The instance's attributes (its `__dict__`). */
  readonly state: PyDict;

  constructor(className: string, state: PyDict) {
    this.className = className;
    this.state = state;
  }
}

/**
 * A Python str that holds a high surrogate directly followed by a low one as two code points. A
 * JavaScript string cannot tell that from the one character beyond U+FFFF that the pair encodes, so
 * such a str keeps its bytes (UTF-8 with the surrogates encoded one by one).
 */
export class PySurrogateStr {
  /** UTF-8 with the surrogates encoded one by one. */
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
}
