import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import { compileSoon } from "../../src/cli/tune-engine.js";

test("the engine knows the option that a member sets", async () => {
  // Set while it runs, an option that is unknown is passed over in silence.
  const option = compileSoon(process.versions.node);
  await promisify(execFile)(process.execPath, [option, "-e", ""]);
});
