import { ProtocolError } from "../../protocol/errors.js";
import type { Dump } from "../../protocol/files/dump-format.js";
import { systemClock } from "../clock.js";
import { nodeCompression } from "../storage/compression.js";
import { decodeDump } from "../storage/dump-codec.js";
import type { FileSystem } from "../storage/file-system.js";
import { readFault } from "./files-error.js";
import type { Watch } from "./watch.js";

export type ReadDump =
  | { readonly kind: "dump"; readonly bytes: number; readonly dump: Dump }
  | { readonly kind: "damaged"; readonly bytes: number; readonly reason: string };

/**
 * Reads a dump. All of it is in memory then, as it is in every member.
 *
 * @throws FilesError where the file cannot be read; the reason of the watch's signal.
 */
export async function readDump(fs: FileSystem, path: string, watch: Watch = {}): Promise<ReadDump> {
  let size = 0;
  try {
    const file = await fs.open(path, "read");
    try {
      size = await file.size();
      const watched = {
        size: () => file.size(),
        read: async (position: number, length: number) => {
          watch.signal?.throwIfAborted();
          const piece = await file.read(position, length);
          watch.onRead?.(piece.length);
          return piece;
        },
      };
      const tools = { clock: systemClock, compression: nodeCompression };
      return { kind: "dump", bytes: size, dump: await decodeDump(watched, tools) };
    } finally {
      await file.close();
    }
  } catch (error) {
    watch.signal?.throwIfAborted();
    if (!(error instanceof ProtocolError)) throw readFault(error, path);
    return { kind: "damaged", bytes: size, reason: error.message };
  }
}
