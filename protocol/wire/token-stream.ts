import { createDecipheriv, createHmac, timingSafeEqual } from "node:crypto";
import { ProtocolError } from "../errors.js";
import { decodeBase64, type FernetKey, notAToken, paddingFault, tokenFormat } from "./fernet.js";

/** Pieces that are worked on in one go: a millisecond or so. */
const piecesPerSlice = 64;

/**
 * Opens a large Fernet token in its own memory and a bit at a time: what is received, decoded and
 * decrypted of a message of many megabytes is never held twice, nor is the loop held by it. The
 * checks are those of `openToken`, in the same order.
 */
export class TokenStream {
  readonly #key: FernetKey;
  readonly #pieces: Uint8Array[];
  #timestampSec = 0;

  /**
   * @param pieces The token; all but the last have a length that 4 divides, and the first has more
   *   than a hundred bytes. They are written over.
   */
  constructor(key: FernetKey, pieces: Uint8Array[]) {
    this.#key = key;
    this.#pieces = pieces;
  }

  /** Whole seconds of the sender's clock, once opened. */
  get timestampSec(): number {
    return this.#timestampSec;
  }

  /** Yields now and then; after the end the pieces hold the data. @throws ProtocolError. */
  *open(): Generator<undefined, void> {
    yield* this.#decode();
    const signature = this.#cutSignature();
    yield* this.#verify(signature);
    yield* this.#decrypt();
  }

  *#decode(): Generator<undefined, void> {
    const pieces = this.#pieces;
    for (const [at, piece] of pieces.entries()) {
      const bytes = decodeBase64(piece, at === pieces.length - 1);
      piece.set(bytes);
      pieces[at] = piece.subarray(0, bytes.length);
      if (isSliceEnd(at)) yield;
    }
  }

  /** The last 32 bytes, which may stand in two pieces. */
  #cutSignature(): Uint8Array {
    const pieces = this.#pieces;
    const signature = Buffer.alloc(tokenFormat.hmacBytes);
    let missing = signature.length;
    while (missing > 0) {
      const piece = pieces.pop();
      if (piece === undefined) throw notAToken();
      const kept = Math.max(0, piece.length - missing);
      signature.set(piece.subarray(kept), missing - (piece.length - kept));
      missing -= piece.length - kept;
      if (kept > 0) pieces.push(piece.subarray(0, kept));
    }
    return signature;
  }

  *#verify(signature: Uint8Array): Generator<undefined, void> {
    const hmac = createHmac("sha256", this.#key.signing);
    let bytes = 0;
    for (const [at, piece] of this.#pieces.entries()) {
      hmac.update(piece);
      bytes += piece.length;
      if (isSliceEnd(at)) yield;
    }
    const cipherBytes = bytes - tokenFormat.cipherAt;
    const isWhole = cipherBytes > 0 && cipherBytes % tokenFormat.blockBytes === 0;
    if (!isWhole || this.#pieces[0]?.[0] !== tokenFormat.version) throw notAToken();
    if (!timingSafeEqual(hmac.digest(), signature)) {
      throw new ProtocolError("fernet-token", "the token was made with another password");
    }
  }

  *#decrypt(): Generator<undefined, void> {
    const pieces = this.#pieces;
    const head = Buffer.from(pieces[0] ?? []);
    this.#timestampSec = Number(head.readBigUInt64BE(tokenFormat.timestampAt));
    if (!Number.isSafeInteger(this.#timestampSec)) {
      throw new ProtocolError("number-range", "a timestamp beyond the safe integers");
    }
    const iv = head.subarray(tokenFormat.ivAt, tokenFormat.cipherAt);
    const decipher = createDecipheriv("aes-128-cbc", this.#key.encryption, iv);
    for (const [at, piece] of pieces.entries()) {
      const isLast = at === pieces.length - 1;
      const input = at === 0 ? piece.subarray(tokenFormat.cipherAt) : piece;
      const data = decipher.update(input);
      pieces[at] = overwrite(piece, isLast ? Buffer.concat([data, final(decipher)]) : data);
      if (isSliceEnd(at)) yield;
    }
  }
}

function isSliceEnd(at: number): boolean {
  return at % piecesPerSlice === piecesPerSlice - 1;
}

/** The data has at most a block more than the piece that it came from, and segments have room. */
function overwrite(piece: Uint8Array, data: Uint8Array): Uint8Array {
  if (data.length <= piece.length) {
    piece.set(data);
    return piece.subarray(0, data.length);
  }
  return data;
}

function final(decipher: { final(): Buffer }): Buffer {
  try {
    return decipher.final();
  } catch (cause) {
    throw paddingFault(cause);
  }
}
