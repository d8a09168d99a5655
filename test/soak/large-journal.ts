import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  truncateSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SoakArguments } from "../../interop-tests/support/soak-arguments.js";
import { costOf, writeLargeJournal } from "../files/support/large-journal.js";
import { address } from "../files/support/made-files.js";

/** `npm run soak -- large-journal`: the memory and the time that commands take for a large journal. */

const help = `Makes a journal of a wanted size, and shows what inspect, verify, doctor and repair take to read it.

  --mib N          size of the journal in MiB (default 1024)
  --value-bytes N  bytes of each value (default 1000)
  --keys N         number of keys (default 1000)
  --vanilla        without Quorate's checksums, as PySyncObj writes
  --max-rss-mib N  ends with 1 where a command takes more memory (default 300)
  --folder PATH    where to make it (default: the folder for temporary files)
  --help
`;

const given = new SoakArguments({
  program: "npm run soak -- large-journal",
  help,
  options: {
    mib: { type: "string", default: "1024" },
    "value-bytes": { type: "string", default: "1000" },
    keys: { type: "string", default: "1000" },
    vanilla: { type: "boolean", default: false },
    "max-rss-mib": { type: "string", default: "300" },
    folder: { type: "string", default: tmpdir() },
    help: { type: "boolean", default: false },
  },
});

const mib = 1024 ** 2;
const bytes = given.count("mib") * mib;
const valueBytes = given.count("value-bytes");
const keys = given.count("keys");
const rssMibMax = given.count("max-rss-mib");
const makeIn = given.text("folder") ?? tmpdir();
if (!existsSync(makeIn)) given.refuse(`--folder: there is no folder ${makeIn}`);
/** Less than a record. */
const cutBytes = 100;

async function run(): Promise<boolean> {
  const folder = mkdtempSync(join(makeIn, "quorate-large-"));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      remove();
      process.exit(1);
    });
  }
  try {
    const journal = join(folder, `${address}.journal`);
    const entries = writeLargeJournal(journal, {
      ...{ bytes, valueBytes, keys, isSealed: !given.isSet("vanilla") },
    });
    console.log(`${(statSync(journal).size / mib).toFixed(0)} MiB, ${entries} entries`);
    // The same once more, as another member's.
    const other = join(folder, "other");
    mkdirSync(other);
    linkSync(journal, join(other, "127.0.0.1:4002.journal"));
    const half = String(Math.floor(entries / 2));
    let isFine = true;
    const measure = async (args: readonly string[], codes: readonly number[]) => {
      const cost = await costOf(args);
      const shown = args.map((arg) => (arg.startsWith(folder) ? "PATH" : arg)).join(" ");
      const rss = cost.peakBytes / mib;
      const figures = `${cost.seconds.toFixed(1)} s (processor ${cost.cpuSeconds.toFixed(1)} s), ${rss.toFixed(0)} MiB`;
      console.log(`${shown.padEnd(44)} exit ${cost.code}, ${figures}`);
      const isExpected = codes.some((code) => code === cost.code);
      isFine = isFine && isExpected && rss > 0 && rss <= rssMibMax;
    };
    for (const args of [
      ["inspect", journal, "--json"],
      ["inspect", journal, "--entries", "--key", "/none"],
      ["inspect", journal, "--at", half, "--json"],
      ["inspect", journal, "--diff", half, "end", "--json"],
      ["verify", journal, "--json"],
      ["doctor", folder, other, "--json"],
    ]) {
      await measure(args, [0]);
    }
    // A write that was cut short, as a loss of power leaves it.
    rmSync(other, { recursive: true });
    truncateSync(journal, statSync(journal).size - cutBytes);
    await measure(["repair", folder, "--dry-run"], [0, 4, 5]);
    await measure(["repair", folder, "--yes", "--json"], [0]);
    await measure(["verify", folder, "--json"], [0, 4]);
    return isFine;
  } finally {
    remove();
  }
}

process.exitCode = (await run()) ? 0 : 1;
