import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ProtocolError } from "../../../protocol/errors.js";
import {
  deriveFernetKey,
  type FernetKey,
  openToken,
  sealToken,
} from "../../../protocol/wire/fernet.js";

/** Made by `pysyncobj.encryptor.getEncryptor` and cryptography 50.0.2 with these times and IVs. */
const vectors = [
  {
    password: "secret",
    key: "7d788036f5335f6d8648de2969c93f3613b38911d44e929f562e1fca98970ed5",
    timestampSec: 1234567,
    iv: "000102030405060708090a0b0c0d0e0f",
    data: "68656c6c6f",
    token:
      "gAAAAAAAEtaHAAECAwQFBgcICQoLDA0OD6WNbRmLz_EncFm2b9aux7tPD7VcDjyzoOfmc-Z3L83InUq36ucUq0SfUTBQ_PJlgA==",
  },
  {
    password: "пароль €",
    key: "c25ae5d42d6ab5aaaf7bbe6dda3c1681e25b73d7c66f87f90f16f5a7561c4976",
    timestampSec: 0,
    iv: "ffffffffffffffffffffffffffffffff",
    data: "",
    token:
      "gAAAAAAAAAAA_____________________xE-mGXexV7hF_OG6QXZ8XBEuuA6_Zn0s9PdHGI3b_Je7Z2U2YaBICvN-9vuCPJPiw==",
  },
  {
    password: "x",
    key: "3550b71ce324a1b4e5f05efdf4d156e2cef66eedd075a1c227ee7445893794bf",
    timestampSec: 2 ** 40,
    iv: "6465666768696a6b6c6d6e6f70717273",
    data: "00ff".repeat(16),
    token:
      "gAAAAQAAAAAAZGVmZ2hpamtsbW5vcHFycykEStFlLfdtkAf9CrnMaOxpSXUwjme8xri7ZwVzAm11cxBBtoIo4rO9uNMhzBQkn8rpUBihAHaktE57SaGOF_0O5sQw5AaiZDiIQDzdMVoR",
  },
];

const key: FernetKey = deriveFernetKey("secret");
const iv = new Uint8Array(16).fill(9);

function refuses(token: Uint8Array, code = "fernet-token"): void {
  assert.throws(
    () => openToken(key, token),
    (error) => error instanceof ProtocolError && error.code === code,
  );
}

test("keys and tokens are those of the real cryptography", () => {
  for (const vector of vectors) {
    const derived = deriveFernetKey(vector.password);
    const joined = Buffer.concat([derived.signing, derived.encryption]);
    assert.equal(joined.toString("hex"), vector.key);
    const data = Buffer.from(vector.data, "hex");
    const vectorIv = Buffer.from(vector.iv, "hex");
    const token = sealToken(derived, data, vector.timestampSec, vectorIv);
    assert.equal(Buffer.from(token).toString(), vector.token);
    const opened = openToken(derived, Buffer.from(vector.token));
    assert.equal(opened.timestampSec, vector.timestampSec);
    assert.deepEqual(Buffer.from(opened.data), data);
  }
});

test("a password of bytes is the same as its text", () => {
  assert.deepEqual(deriveFernetKey(Buffer.from("пароль €")), deriveFernetKey("пароль €"));
});

test("what was sealed opens to the same, whatever its length", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.maxSafeNat(), (data, timestampSec) => {
      const opened = openToken(key, sealToken(key, data, timestampSec, iv));
      assert.deepEqual([...opened.data], [...data]);
      assert.equal(opened.timestampSec, timestampSec);
    }),
  );
});

test("a token with any byte changed is refused", () => {
  const token = sealToken(key, Buffer.from("data"), 77, iv);
  for (let at = 0; at < token.length - 2; at++) {
    const changed = new Uint8Array(token);
    changed[at] = changed[at] === 0x41 ? 0x42 : 0x41;
    refuses(changed);
  }
});

test("another password's token, cut ones and garbage are refused", () => {
  const token = sealToken(key, Buffer.from("data"), 77, iv);
  refuses(sealToken(deriveFernetKey("other"), Buffer.from("data"), 77, iv));
  for (let length = 0; length < token.length; length += 7) refuses(token.subarray(0, length));
  refuses(new Uint8Array(0));
  refuses(Buffer.from("!".repeat(100)));
  refuses(Buffer.from("A".repeat(100)));
});

test("a timestamp beyond the safe integers is refused", () => {
  const big = 2 ** 60;
  refuses(sealToken(key, Buffer.from("data"), big, iv), "number-range");
});
