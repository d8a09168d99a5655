/** First release of each line in which V8 hashes texts of digits with a seed (CVE-2026-21717). */
const mended: readonly (readonly [number, number, number])[] = [
  [20, 20, 2],
  [22, 22, 2],
  [24, 14, 1],
  [25, 8, 2],
];

/** What there is to say of the Node.js that a member runs on; null where that is nothing. */
export function outdatedNodeText(version: string): string | null {
  const [major = 0, minor = 0, patch = 0] = version
    .split(".")
    .map((part) => Number.parseInt(part, 10));
  const newest = mended[mended.length - 1];
  if (newest !== undefined && major > newest[0]) return null;
  const line = mended.find(([ofLine]) => ofLine === major);
  if (line !== undefined) {
    const [, least, leastPatch] = line;
    if (minor > least || (minor === least && patch >= leastPatch)) return null;
  }
  return (
    `Node.js ${version} hashes texts of digits so that everybody knows how (CVE-2026-21717): who may write can ` +
    `hold up this member by the names of keys. Install ${mended.map((parts) => parts.join(".")).join(", ")} or newer`
  );
}
