import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setCommand } from "../../bench/load/observer-load.js";
import { PickleScan } from "../../bench/load/pickle-scan.js";
import { encodeMessage } from "../../protocol/wire/message-codec.js";

describe("the load generator's look at messages", () => {
  const scan = new PickleScan();

  it("counts entries, whatever is in them", () => {
    for (const count of [0, 1, 2, 300]) {
      const entries = Array.from({ length: count }, (_, at) => ({
        ...{ index: 70_000 + at, term: 9, command: setCommand(at, at) },
      }));
      const place = { prevLogIdx: 69_999, prevLogTerm: 9, commitIndex: 69_000 };
      const found = scan.scan(
        encodeMessage({ type: "append_entries", term: 9, ...place, entries }),
      );
      assert.equal(found.type, "append_entries");
      assert.equal(found.term, 9);
      assert.equal(found.entries, count);
      assert.equal(found.commitIndex, 69_000);
      assert.equal(found.prevLogIdx, 69_999);
      assert.equal(found.isLastPiece, false);
    }
  });

  it("tells answers from refusals, and forgets the message before", () => {
    const type = "apply_command_response";
    const refused = scan.scan(encodeMessage({ type, requestId: 5, error: 1 }));
    assert.equal(refused.error, 1);
    const placed = scan.scan(encodeMessage({ type, requestId: 300, logIdx: 2 ** 33, logTerm: 2 }));
    assert.equal(placed.error, null);
    assert.equal(placed.requestId, 300);
    assert.equal(placed.logIdx, 2 ** 33);
    assert.equal(placed.logTerm, 2);
  });

  it("refuses what no message has", () => {
    assert.throws(() => scan.scan(Uint8Array.of(0x80, 2, 0x51)));
  });
});
