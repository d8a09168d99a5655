#!/usr/bin/env node
// Plain JavaScript that any Node.js can read, so that a version too old gets a sentence, not a
// stack trace.
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(
    `quorate: needs Node.js 20.19 or newer, this is ${process.versions.node}: install a newer ` +
      "one from https://nodejs.org\n",
  );
  process.exit(2);
}

import("../dist/src/cli/main.js").then(
  (cli) => cli.main(process.argv),
  (error) => {
    const missing = error?.code === "ERR_MODULE_NOT_FOUND" && String(error.message).includes("cli/main.js");
    process.stderr.write(
      missing ? "quorate: not built yet: run `npm run build`\n" : `quorate: ${error?.stack ?? error}\n`,
    );
    process.exitCode = 2;
  },
);
