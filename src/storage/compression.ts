import type { Transform } from "node:stream";
import { createGunzip, createGzip } from "node:zlib";

/** How dumps are pressed and unpressed. */
export interface Compression {
  gzip(): Transform;
  /** @param pieceBytes How much comes out at once; the least that is usual where it is not said. */
  gunzip(pieceBytes?: number): Transform;
}

/** Fast and a third of the size; upstream's level 9 takes ten times as long for little more. */
const level = 3;

/** Node's own, which works in threads beside the loop. */
export const nodeCompression: Compression = {
  gzip: () => createGzip({ level }),
  gunzip: (chunkSize) => createGunzip(chunkSize === undefined ? {} : { chunkSize }),
};
