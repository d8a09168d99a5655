import "./node-version.js";

/** `npm start`: makes itself ready to run, then shows the main job. See demo/main.ts. */
const { setUp } = await import("./setup.js");
try {
  setUp((line) => process.stdout.write(`${line} …\n`));
} catch (error) {
  process.stderr.write(`npm start: ${error.message}\n`);
  process.exit(1);
}
const { main } = await import("../dist/scripts/demo/main.js");
await main(process.argv.slice(2));
