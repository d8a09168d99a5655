/** What the decoder does where a pickle calls a global; each is done by the decoder itself. */
export type GlobalRole =
  | "encode"
  | "bytes"
  | "bytearray"
  | "set"
  | "frozenset"
  | "ordered-dict"
  | "object"
  | "reconstructor"
  | "new-object"
  | "instance";

/** A global that a pickle may name: a name with a meaning here, never an import. */
export class KnownGlobal {
  /** Dotted name in Python 3's form. */
  readonly name: string;
  readonly role: GlobalRole;

  constructor(name: string, role: GlobalRole) {
    this.name = name;
    this.role = role;
  }
}

/** The classes whose instances travel as data (pysyncobj/node.py; the same module since 0.3.4). */
export const nodeClassName = "pysyncobj.node.Node";
export const tcpNodeClassName = "pysyncobj.node.TCPNode";

const builtins: readonly [string, GlobalRole][] = [
  ["bytes", "bytes"],
  ["bytearray", "bytearray"],
  ["set", "set"],
  ["frozenset", "frozenset"],
  ["object", "object"],
];

const registry: readonly [string, GlobalRole][] = [
  ["_reconstructor", "reconstructor"],
  ["__newobj__", "new-object"],
];

const others: readonly [string, string, GlobalRole][] = [
  ["_codecs", "encode", "encode"],
  ["collections", "OrderedDict", "ordered-dict"],
  ["pysyncobj.node", "Node", "instance"],
  ["pysyncobj.node", "TCPNode", "instance"],
];

/** Python 2 and protocols up to 2 of Python 3 write the first name, the others the second. */
const renamedModules = { builtins: ["__builtin__", "builtins"], registry: ["copy_reg", "copyreg"] };
/** From this protocol on Python 3 knows the second one only. */
const renamedProtocol = 3;
const oldModules: ReadonlySet<string> = new Set(
  Object.values(renamedModules).flatMap(([old]) => old ?? []),
);

/** By module, then by name: the whole list of what a pickle may name. */
const known = new Map<string, Map<string, KnownGlobal>>();

function add(module: string, name: string, global: KnownGlobal): void {
  const names = known.get(module) ?? new Map<string, KnownGlobal>();
  known.set(module, names.set(name, global));
}

for (const [name, role] of builtins) {
  const global = new KnownGlobal(`builtins.${name}`, role);
  for (const module of renamedModules.builtins) add(module, name, global);
}
for (const [name, role] of registry) {
  const global = new KnownGlobal(`copyreg.${name}`, role);
  for (const module of renamedModules.registry) add(module, name, global);
}
for (const [module, name, role] of others) {
  add(module, name, new KnownGlobal(`${module}.${name}`, role));
}

/**
 * The known global of that name, or undefined: then the pickle is refused.
 *
 * @param protocol That of the pickle, as far as it was read.
 */
export function findGlobal(
  module: string,
  name: string,
  protocol: number,
): KnownGlobal | undefined {
  if (protocol >= renamedProtocol && oldModules.has(module)) return undefined;
  return known.get(module)?.get(name);
}

/** Whether instances of the class (dotted name) may travel. */
export function isInstanceClass(className: string): boolean {
  return className === tcpNodeClassName || className === nodeClassName;
}
