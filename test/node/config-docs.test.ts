import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { loadConfig } from "../../src/node/config.js";
import { settingKey, settingList } from "../../src/node/config-settings.js";

const path = new URL("../../../docs/configuration.md", import.meta.url);
const rows = readFileSync(path, "utf8")
  .split("\n")
  .filter((line) => line.startsWith("| `"))
  .map((line) => line.split("|").map((cell) => cell.trim()));

describe("docs/configuration.md", () => {
  for (const setting of settingList) {
    it(`has a row for ${settingKey(setting)}`, () => {
      const row = rows.find((cells) => cells[1] === `\`${settingKey(setting)}\``);
      assert.ok(row !== undefined);
      assert.equal(row[2], setting.env === null ? "none" : `\`${setting.env}\``);
      assert.ok(row[3]?.startsWith(`\`${setting.option}\``), row[3]);
      const shown = /\(default: ([\d.]+)\)$/.exec(setting.help)?.[1];
      if (shown !== undefined) assert.equal(row[4], shown, "default");
    });
  }

  it("has no row for anything else", () => {
    assert.equal(rows.length, settingList.length);
  });

  it("shows defaults that the loader takes for the same", () => {
    const self = { flags: { selfAddr: "a:1" }, env: {} };
    const unset = loadConfig(self);
    for (const setting of settingList) {
      const row = rows.find((cells) => cells[1] === `\`${settingKey(setting)}\``);
      const value = row?.[4]?.replaceAll("`", "") ?? "";
      if (!/^([\d.]+|info|text|keep)$/.test(value)) continue;
      const flags = { ...self.flags, [setting.flag]: value };
      assert.deepEqual(loadConfig({ ...self, flags }), unset, settingKey(setting));
    }
  });
});
