/** A reporter of node:test that writes the final counts as one line of JSON: test.js adds up. */
// biome-ignore lint/style/noDefaultExport: node:test takes a reporter as the default export
export default async function* countReporter(source) {
  const counts = {};
  for await (const { type, data } of source) {
    if (type !== "test:diagnostic" || data.nesting !== 0) continue;
    const match = /^(tests|pass|fail|cancelled|skipped|todo) (\d+)$/.exec(data.message);
    if (match !== null) counts[match[1]] = Number(match[2]);
  }
  yield `${JSON.stringify(counts)}\n`;
}
