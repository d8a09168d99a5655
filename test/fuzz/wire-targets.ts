import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { inflateSync } from "node:zlib";
import { ProtocolError } from "../../protocol/errors.js";
import { encodePickle } from "../../protocol/pickle/encoder.js";
import { deflate, inflate } from "../../protocol/wire/compression.js";
import { deriveFernetKey, openToken, sealToken } from "../../protocol/wire/fernet.js";
import { encodeFrame, FrameReader } from "../../protocol/wire/frame.js";
import { SegmentPool } from "../../protocol/wire/segments.js";
import { Session, type SessionEvent } from "../../protocol/wire/session.js";
import { TokenStream } from "../../protocol/wire/token-stream.js";
import { chunks } from "./chunks.js";
import type { Dice } from "./dice.js";
import type { Target } from "./fuzzer.js";
import { messageSeeds, payloadSeeds, pickleSeeds, tokenSeeds } from "./seeds.js";

const frameBytesMax = 8_192;
const inflatedBytesMax = 65_536;
const password = deriveFernetKey("fuzz");

/** What a reader without any cleverness finds; null where a length is refused. */
function naiveFrames(bytes: Uint8Array): { payloads: Buffer[]; isRefused: boolean } {
  const view = Buffer.from(bytes);
  const payloads: Buffer[] = [];
  for (let at = 0; at + 4 <= view.length; ) {
    const length = view.readInt32LE(at);
    if (length < 0 || length > frameBytesMax) return { payloads, isRefused: true };
    if (at + 4 + length > view.length) break;
    payloads.push(view.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return { payloads, isRefused: false };
}

const frame: Target = {
  name: "frame",
  seeds: [payloadSeeds.slice(0, 6), payloadSeeds.slice(6, 9)].map((payloads) =>
    Buffer.concat(payloads.map(encodeFrame)),
  ),
  run(input, dice) {
    const expected = naiveFrames(input);
    const pool = new SegmentPool();
    const reader = new FrameReader({ frameBytesMax }, pool);
    const seen: Buffer[] = [];
    let isRefused = false;
    try {
      for (const chunk of chunks(input, dice)) {
        reader.push(chunk);
        for (let next = reader.next(); next !== null; next = reader.next()) {
          seen.push(Buffer.from(next));
        }
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      isRefused = true;
    }
    reader.close();
    assert.equal(isRefused, expected.isRefused);
    assert.deepEqual(seen, expected.payloads);
    return seen.length > 0;
  },
};

const zlib: Target = {
  name: "inflate",
  seeds: [...payloadSeeds, ...payloadSeeds.map((payload) => deflate(payload))],
  run(input, dice) {
    let seen: Uint8Array | null = null;
    try {
      seen = inflate(input, inflatedBytesMax);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      if (/more blocks than/.test(error.message)) return false;
    }
    if (seen !== null || dice.oneIn(8)) {
      let expected: Buffer | null = null;
      try {
        expected = inflateSync(input, { maxOutputLength: inflatedBytesMax });
      } catch {
        // Refused.
      }
      assert.equal(seen === null, expected === null, "zlib sees it otherwise");
      if (seen !== null && expected !== null) assert.equal(Buffer.compare(seen, expected), 0);
    }
    return seen !== null;
  },
};

/** A token of any content whose HMAC is right, so that what lies behind it is reached. */
function signed(content: Uint8Array): Uint8Array {
  const signature = createHmac("sha256", password.signing).update(content).digest();
  const token = Buffer.concat([content, signature]);
  return Buffer.from(token.toString("base64url") + "=".repeat((3 - (token.length % 3)) % 3));
}

function outcome(open: () => Uint8Array): Buffer | string {
  try {
    return Buffer.from(open());
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return error.code;
  }
}

const iv = new Uint8Array(16).fill(7);
const fernet: Target = {
  name: "fernet",
  seeds: [...tokenSeeds, ...payloadSeeds.map((payload) => sealToken(password, payload, 5, iv))],
  run(input, dice) {
    const token = dice.oneIn(2) ? input : signed(input);
    const whole = outcome(() => openToken(password, token).data);
    if (token.length > 100 && dice.oneIn(2)) {
      const inPieces = outcome(() => {
        const pieces = inQuarters(chunks(token, dice));
        const stream = new TokenStream(password, pieces);
        for (const _ of stream.open()) {
          // To the end.
        }
        return Buffer.concat(pieces);
      });
      assert.deepEqual(inPieces, whole);
    }
    return typeof whole !== "string";
  },
};

/** Pieces of a length that 4 divides, the first of which has more than a hundred bytes. */
function inQuarters(pieces: readonly Uint8Array[]): Uint8Array[] {
  const all = Buffer.concat(pieces);
  const made: Uint8Array[] = [];
  let at = 0;
  for (const piece of pieces) {
    const least = at === 0 ? 104 : 4;
    const length = Math.max(least, piece.length - (piece.length % 4));
    if (at < all.length) made.push(new Uint8Array(all.subarray(at, at + length)));
    at += length;
  }
  if (at < all.length) made.push(new Uint8Array(all.subarray(at)));
  return made;
}

const options = {
  random: (bytes: number) => new Uint8Array(bytes).fill(1),
  monotonicSec: () => 1_000,
};

interface Heard {
  readonly events: readonly SessionEvent[];
  readonly fault: string | null;
}

/** All that a listener makes of a stream; of the chunk with the fault nothing else counts. */
function hear(stream: readonly Uint8Array[], isPlain: boolean, inSlices: boolean): Heard {
  const session = new Session({
    role: { kind: "listener" },
    key: isPlain ? null : password,
    ...options,
  });
  session.start();
  const events: SessionEvent[] = [];
  let fault: string | null = null;
  try {
    for (const chunk of stream) {
      if (inSlices) session.push(chunk);
      else events.push(...session.receive(chunk).events);
      for (
        let step = inSlices ? session.proceed() : "idle";
        step !== "idle";
        step = session.proceed()
      ) {
        if (typeof step !== "string") events.push(...step.events);
      }
    }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    fault = error.code;
  } finally {
    session.close();
  }
  return { events, fault };
}

function checkSession(stream: Uint8Array, isPlain: boolean, dice: Dice): boolean {
  const frames = hear(chunks(stream, dice), isPlain, true);
  if (!dice.oneIn(4)) return frames.events.length > 1;
  const again = hear([stream], isPlain, true);
  assert.deepEqual(again, frames, "it depends on how the stream is cut");
  const whole = hear([stream], isPlain, false);
  assert.equal(whole.fault, frames.fault);
  if (whole.fault === null) assert.deepEqual(whole.events, frames.events);
  return frames.events.length > 1;
}

const helloPickles = ["readonly", "127.0.0.1:1"].map((hello) => encodePickle(hello));

const plainSession: Target = {
  name: "session",
  seeds: helloPickles.flatMap((hello) =>
    [messageSeeds.slice(3, 5), messageSeeds.slice(6, 9)].map((messages) =>
      Buffer.concat([hello, ...messages].map((pickle) => encodeFrame(deflate(pickle)))),
    ),
  ),
  run: (input, dice) => checkSession(input, true, dice),
};

/** The pickles are what is mutated; frames, compression and tokens around them are in order. */
const wrappedSession: Target = {
  name: "session-inner",
  seeds: pickleSeeds,
  run(input, dice) {
    const hello = dice.pick(helloPickles);
    const isPlain = dice.oneIn(2);
    if (isPlain) {
      const frames = [hello, input].map((pickle) => encodeFrame(deflate(pickle)));
      return checkSession(Buffer.concat(frames), true, dice);
    }
    const connector = new Session({
      role: { kind: "connector", hello: "127.0.0.1:1" },
      key: password,
      ...options,
    });
    const first = connector.start();
    const sealed = encodeFrame(sealToken(password, deflate(input), 1_000, iv));
    return checkSession(Buffer.concat([first, sealed]), false, dice);
  },
};

export const wireTargets: readonly Target[] = [frame, zlib, fernet, plainSession, wrappedSession];
