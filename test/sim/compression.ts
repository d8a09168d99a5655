import { Transform } from "node:stream";
import { gunzipSync, gzipSync } from "node:zlib";
import type { Compression } from "../../src/storage/compression.js";

/** Node's streams work in threads, whose order is nobody's: these do all of it at the end, at once. */
export const promptCompression: Compression = {
  gzip: () => whole((bytes) => gzipSync(bytes, { level: 1 })),
  gunzip: () => whole((bytes) => gunzipSync(bytes)),
};

function whole(convert: (bytes: Buffer) => Buffer): Transform {
  const pieces: Buffer[] = [];
  return new Transform({
    transform(piece: Buffer, _encoding, done) {
      pieces.push(piece);
      done();
    },
    flush(done) {
      try {
        done(null, convert(Buffer.concat(pieces)));
      } catch (error) {
        done(error instanceof Error ? error : new Error(String(error)));
      }
    },
  });
}
