// Plain JavaScript that any Node.js can read: one that is too old gets a sentence, not a stack trace.
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(
    `This needs Node.js 20.19 or newer and runs on ${process.versions.node}: install a newer one ` +
      "from https://nodejs.org\n",
  );
  process.exit(2);
}
