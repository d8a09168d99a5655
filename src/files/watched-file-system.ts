import type { FileHandle, FileSystem } from "../storage/file-system.js";
import { copyChunkBytes } from "../storage/limits.js";
import type { Watch } from "./watch.js";

/**
 * The same files, for work that knows nothing of being watched: what is read is told piece by piece, and
 * reading rejects with the signal's reason once that has aborted. Writing goes on.
 */
export function watchedFileSystem(fs: FileSystem, watch: Watch): FileSystem {
  return {
    open: async (path, mode) => watched(await fs.open(path, mode), watch),
    rename: (from, to) => fs.rename(from, to),
    unlink: (path) => fs.unlink(path),
    list: (directory) => fs.list(directory),
    makeDirectory: (path) => fs.makeDirectory(path),
    syncDirectory: (path) => fs.syncDirectory(path),
    lock: (journal) => fs.lock(journal),
  };
}

function watched(file: FileHandle, { signal, onRead }: Watch): FileHandle {
  const readPiece = async (position: number, length: number): Promise<Uint8Array> => {
    signal?.throwIfAborted();
    const piece = await file.read(position, length);
    onRead?.(piece.length);
    return piece;
  };
  return {
    size: () => file.size(),
    read: async (position, length) => {
      if (length <= copyChunkBytes) return await readPiece(position, length);
      const bytes = new Uint8Array(Math.max(0, Math.min(length, (await file.size()) - position)));
      let filled = 0;
      while (filled < bytes.length) {
        const wanted = Math.min(copyChunkBytes, bytes.length - filled);
        const piece = await readPiece(position + filled, wanted);
        if (piece.length === 0) break;
        bytes.set(piece, filled);
        filled += piece.length;
      }
      return bytes.subarray(0, filled);
    },
    write: (bytes, position) => file.write(bytes, position),
    sync: () => file.sync(),
    truncate: (size) => file.truncate(size),
    close: () => file.close(),
  };
}
