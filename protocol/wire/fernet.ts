import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  pbkdf2Sync,
  timingSafeEqual,
} from "node:crypto";
import { ProtocolError } from "../errors.js";

/** The two halves of a Fernet key, 16 bytes each. */
export interface FernetKey {
  /** For the HMAC-SHA256. */
  readonly signing: Uint8Array;
  /** For AES-128-CBC. */
  readonly encryption: Uint8Array;
}

/** A token that was checked and decrypted. */
export interface OpenedToken {
  /** What the sender's clock said, in whole seconds of an origin that only the sender knows. */
  readonly timestampSec: number;
  /** What was sealed. */
  readonly data: Uint8Array;
}

export const fernetIvBytes = 16;

/** The same for every cluster: upstream's pysyncobj/encryptor.py. */
const salt = Buffer.from("152571e6bb02a6f8137190cf362b1eeb", "hex");
const iterations = 100_000;
const keyBytes = 32;

/** Token, decoded: version, timestamp (u64 big-endian), IV, AES-128-CBC blocks, HMAC-SHA256. */
const version = 0x80;
const timestampAt = 1;
const ivAt = 9;
const cipherAt = ivAt + fernetIvBytes;
const hmacBytes = 32;
const blockBytes = 16;

/** For `TokenStream`, which reads the same token in pieces. */
export const tokenFormat = { version, timestampAt, ivAt, cipherAt, hmacBytes, blockBytes } as const;

/**
 * Takes some 30 ms of CPU: do it once, not for each connection.
 *
 * @param password A string counts as UTF-8, as upstream's `getEncryptor` has it.
 */
export function deriveFernetKey(password: string | Uint8Array): FernetKey {
  const derived = pbkdf2Sync(password, salt, iterations, keyBytes, "sha256");
  return { signing: derived.subarray(0, 16), encryption: derived.subarray(16) };
}

/**
 * @param timestampSec Whole seconds of a clock that never goes back. Not the wall clock: a receiver
 *   since PySyncObj 0.3.14 drops the connection when it decreases.
 * @param iv 16 random bytes, never used twice.
 * @returns the token as ASCII bytes, url-safe base64 with padding.
 */
export function sealToken(
  key: FernetKey,
  data: Uint8Array,
  timestampSec: number,
  iv: Uint8Array,
): Uint8Array {
  if (iv.length !== fernetIvBytes) throw new Error(`an IV has ${fernetIvBytes} bytes`);
  const cipher = createCipheriv("aes-128-cbc", key.encryption, iv);
  const blocks = cipher.update(data);
  const lastBlock = cipher.final();
  const signedBytes = cipherAt + blocks.length + lastBlock.length;
  const token = Buffer.allocUnsafe(signedBytes + hmacBytes);
  token[0] = version;
  token.writeBigUInt64BE(BigInt(timestampSec), timestampAt);
  token.set(iv, ivAt);
  token.set(blocks, cipherAt);
  token.set(lastBlock, cipherAt + blocks.length);
  token.set(sign(key, token.subarray(0, signedBytes)), signedBytes);
  const padding = "=".repeat((3 - (token.length % 3)) % 3);
  return Buffer.from(token.toString("base64url") + padding, "latin1");
}

/**
 * Nothing of the token is believed before its HMAC has been checked, in constant time.
 *
 * @throws ProtocolError `fernet-token` where the token is malformed or made with another key,
 *   `number-range` where its timestamp is no safe integer.
 */
export function openToken(key: FernetKey, token: Uint8Array): OpenedToken {
  const bytes = decodeBase64(token, true);
  const signedBytes = bytes.length - hmacBytes;
  const cipherBytes = signedBytes - cipherAt;
  if (cipherBytes < blockBytes || cipherBytes % blockBytes !== 0 || bytes[0] !== version) {
    throw notAToken();
  }
  const signature = sign(key, bytes.subarray(0, signedBytes));
  if (!timingSafeEqual(signature, bytes.subarray(signedBytes))) {
    throw new ProtocolError("fernet-token", "the token was made with another password");
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const timestampSec = Number(view.getBigUint64(timestampAt));
  if (!Number.isSafeInteger(timestampSec)) {
    throw new ProtocolError("number-range", "a timestamp beyond the safe integers");
  }
  const iv = bytes.subarray(ivAt, cipherAt);
  const data = decrypt(key, iv, bytes.subarray(cipherAt, signedBytes));
  return { timestampSec, data };
}

function decrypt(key: FernetKey, iv: Uint8Array, blocks: Uint8Array): Uint8Array {
  const decipher = createDecipheriv("aes-128-cbc", key.encryption, iv);
  try {
    return Buffer.concat([decipher.update(blocks), decipher.final()]);
  } catch (cause) {
    throw paddingFault(cause);
  }
}

export function notAToken(): ProtocolError {
  return new ProtocolError("fernet-token", "not a Fernet token");
}

export function paddingFault(cause: unknown): ProtocolError {
  return new ProtocolError("fernet-token", "the token's padding is wrong", { cause });
}

function sign(key: FernetKey, signed: Uint8Array): Uint8Array {
  return createHmac("sha256", key.signing).update(signed).digest();
}

/**
 * @param isLast Whether the token ends here: there, and only there, padding may stand.
 * @throws ProtocolError `fernet-token`.
 */
export function decodeBase64(token: Uint8Array, isLast: boolean): Uint8Array {
  const text = Buffer.from(token.buffer, token.byteOffset, token.length).toString("latin1");
  const padding = !isLast ? 0 : text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const bytes = Buffer.from(text, "base64url");
  // Node skips what is not base64; then fewer bytes come out than the length promises.
  if (text.length % 4 !== 0 || bytes.length !== (text.length / 4) * 3 - padding) {
    throw new ProtocolError("fernet-token", "the token is not base64");
  }
  return bytes;
}
