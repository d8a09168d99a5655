import { gunzipSync } from "node:zlib";
import { decodePickle } from "../../protocol/pickle/decoder.js";
import { encodePickle } from "../../protocol/pickle/encoder.js";
import { inflate } from "../../protocol/wire/compression.js";
import { FrameReader } from "../../protocol/wire/frame.js";
import { frameBytesMax, messageBytesMax } from "../../protocol/wire/limits.js";
import { bytesOf, type VectorJson, vectorBytes, vectorManifest } from "../protocol/vector-json.js";

/** The golden vectors are the corpus: what real PySyncObj and Patroni have sent and written. */

const versions = ["0.3.8", "0.3.17"] as const;
/** Larger ones teach nothing that smaller ones do not, and take longer. */
const seedBytesMax = 4_096;

interface FilesManifest {
  readonly files: readonly { readonly file: string; readonly kind: "journal" | "meta" | "dump" }[];
}

interface CommandsManifest {
  readonly commands: readonly { readonly bytes: VectorJson }[];
}

interface PicklesManifest {
  readonly [list: string]: readonly { readonly bytes?: VectorJson; readonly pickle?: VectorJson }[];
}

function small(all: readonly Uint8Array[]): Uint8Array[] {
  const unique = new Map(all.map((bytes) => [Buffer.from(bytes).toString("latin1"), bytes]));
  return [...unique.values()].filter(({ length }) => length > 0 && length <= seedBytesMax);
}

/** The payloads of a recorded connection, in their order. */
function payloads(name: "plain" | "password"): Uint8Array[] {
  return versions.flatMap((version) => {
    const reader = new FrameReader({ frameBytesMax });
    reader.push(vectorBytes(version, `${name}.frames`));
    const found: Uint8Array[] = [];
    for (let payload = reader.next(); payload !== null; payload = reader.next()) {
      found.push(new Uint8Array(payload));
    }
    return found;
  });
}

function files(kind: "journal" | "meta" | "dump"): Uint8Array[] {
  return versions.flatMap((version) =>
    vectorManifest<FilesManifest>(version, "files.json")
      .files.filter((file) => file.kind === kind)
      .map(({ file }) => vectorBytes(version, "files", file)),
  );
}

export const payloadSeeds = small(payloads("plain"));
export const tokenSeeds = small(payloads("password"));
export const messageSeeds = small(payloadSeeds.map((payload) => inflate(payload, messageBytesMax)));
export const journalSeeds = small(files("journal").map((bytes) => bytes.subarray(0, seedBytesMax)));
export const metaSeeds = small(files("meta"));
/** As they lie on the disk, and what is in them. */
export const dumpFileSeeds = small(files("dump"));
export const dumpSeeds = small(dumpFileSeeds.map((bytes) => gunzipSync(bytes)));
export const commandSeeds = small(
  versions.flatMap((version) =>
    vectorManifest<CommandsManifest>(version, "commands.json").commands.map(({ bytes }) =>
      bytesOf(bytes),
    ),
  ),
);

function common(name: string): Uint8Array[] {
  return Object.values(vectorManifest<PicklesManifest>("common", name)).flatMap((list) =>
    Array.isArray(list)
      ? list.flatMap(({ bytes }) => (bytes === undefined ? [] : [bytesOf(bytes)]))
      : [],
  );
}

export const pickleSeeds = small([
  ...common("pickles.json"),
  ...common("must-fail.json"),
  ...messageSeeds,
  ...commandSeeds.map((command) => command.subarray(1)),
  encodePickle(decodePickle(encodePickle([1n << 70n, "\ud800", new Uint8Array(300)]))),
]);
