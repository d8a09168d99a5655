import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { pythonWith } from "../../../interop-tests/support/python.js";
import { decodePickle } from "../../../protocol/pickle/decoder.js";
import { memberMessageLimits, messageEntriesMax } from "../../../protocol/wire/limits.js";
import { decodeMessage } from "../../../protocol/wire/message-codec.js";

/** As PySyncObj pickles it; entries that came one by one share no bytes. */
const program = `
import pickle, sys
entries = [(bytes(bytearray([200 + i % 50] * size)), 2**33 + i, 70000)
           for size in [int(sys.argv[1])] for i in range(65536 // size)]
sys.stdout.buffer.write(pickle.dumps({
    'type': 'append_entries', 'term': 70000, 'commit_index': 1, 'entries': entries,
    'prevLogIdx': 2**33 - 1, 'prevLogTerm': 7}, 2))
`;

test("64 KiB of the smallest commands, as a PySyncObj leader sends them, are decoded", async () => {
  const { python, env } = await pythonWith("0.3.17");
  for (const size of [1, 2, 3, 6]) {
    const pickle = execFileSync(python, ["-c", program, `${size}`], {
      ...{ env: { ...process.env, ...env }, maxBuffer: 16 * 1024 * 1024 },
    });
    const { pickle: limits } = memberMessageLimits(8 * 1024 * 1024);
    const message = decodeMessage(decodePickle(pickle, limits, "copy"));
    assert.ok(message.type === "append_entries");
    assert.equal(message.entries.length, Math.trunc(messageEntriesMax / size));
    assert.deepEqual(message.entries[1]?.command, new Uint8Array(size).fill(201));
  }
});
