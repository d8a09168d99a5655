import {
  Z_BLOCK,
  Z_BUF_ERROR,
  Z_OK,
  Z_STREAM_END,
  ZStream,
  zlibInflate,
  zlibInflateInit,
  zlibInflateReset,
} from "pako";
import { ProtocolError } from "../errors.js";

/**
 * Inflates zlib streams into memory that is there already. node:zlib makes a new buffer for each piece
 * of output and one more for the whole: a peer that sends bombs fills the memory with what waits for the
 * garbage collector. pako's inner interface is zlib's own: it writes where it is told to, keeps nothing
 * but its window, and can be stopped and continued between any two symbols.
 */

/**
 * Blocks that a stream may have beyond one in so many bytes of output: deflate begins a new one after
 * thousands of symbols. Empty ones would cost much work for few bytes.
 */
const spareBlocks = 16;
const bytesPerBlockMin = 2048;

/** Set in `data_type` where inflating has stopped behind a block. See zlib.h, `inflate`. */
const blockEnded = 128;

const nothing = new Uint8Array(0);

export class Inflater {
  readonly #stream = new ZStream();
  #isNew = true;
  #pieces: readonly Uint8Array[] = [];
  #pieceAt = 0;
  #lengthMax = 0;
  #blocks = 0;

  /**
   * @param pieces The stream, cut anywhere. What follows its end is ignored.
   * @param output Where the result goes, from its beginning.
   * @param bytesMax A longer result is a fault; `output` has room for it, or for what `run` asks for.
   */
  start(pieces: readonly Uint8Array[], output: Uint8Array<ArrayBuffer>, bytesMax: number): void {
    const stream = this.#stream;
    // Its state and its window are made once.
    const status = this.#isNew ? zlibInflateInit(stream) : zlibInflateReset(stream);
    if (status !== Z_OK) throw new Error(`cannot begin to inflate: ${status}`);
    this.#isNew = false;
    this.#pieces = pieces;
    this.#pieceAt = 0;
    this.#blocks = 0;
    this.#lengthMax = bytesMax;
    stream.avail_in = 0;
    stream.output = output;
    stream.next_out = 0;
  }

  /** Bytes of the result so far. */
  get length(): number {
    return this.#stream.next_out;
  }

  /**
   * Goes on for so many bytes of output.
   *
   * @returns true when the stream has ended and its checksum is right.
   * @throws ProtocolError `frame-inflate` where it is broken, cut, or its result too long.
   */
  run(outputBytes: number): boolean {
    const stream = this.#stream;
    const until = Math.min(this.#lengthMax, stream.next_out + outputBytes);
    for (;;) {
      const isLast = stream.avail_in === 0 && !this.#takePiece();
      stream.avail_out = until - stream.next_out;
      const status = zlibInflate(stream, Z_BLOCK);
      if (status === Z_STREAM_END) {
        this.#letGo();
        return true;
      }
      if (status !== Z_OK && status !== Z_BUF_ERROR) throw fault(stream.msg);
      if (stream.next_out === until && until < this.#lengthMax) return false;
      if (status === Z_BUF_ERROR && stream.avail_in > 0) throw tooLong();
      if (status === Z_BUF_ERROR && isLast) throw fault("the stream ends too early");
      this.#countBlock();
    }
  }

  /** @returns false where there is none left. */
  #takePiece(): boolean {
    const piece = this.#pieces[this.#pieceAt];
    if (piece === undefined) return false;
    this.#pieceAt += 1;
    this.#stream.input = piece;
    this.#stream.next_in = 0;
    this.#stream.avail_in = piece.length;
    return true;
  }

  #countBlock(): void {
    if ((this.#stream.data_type & blockEnded) === 0) return;
    this.#blocks += 1;
    if (this.#blocks <= spareBlocks + this.length / bytesPerBlockMin) return;
    throw fault("it has more blocks than its result needs");
  }

  /** The input is not kept alive by what waits for the next one. */
  #letGo(): void {
    this.#pieces = [];
    this.#stream.input = nothing;
  }
}

function tooLong(): ProtocolError {
  const limit = "messageBytesMax";
  return new ProtocolError("frame-inflate", "cannot inflate: the result is too long", { limit });
}

function fault(why: string): ProtocolError {
  return new ProtocolError("frame-inflate", `cannot inflate: ${why}`);
}
