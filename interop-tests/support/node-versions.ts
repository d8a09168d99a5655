import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { withFolderLock } from "./folder-lock.js";
import { cacheFolder } from "./project.js";

/** The even-numbered lines after 20, on which the tests run as well. */
export const nodeMajors = [22, 24, 26] as const;

export type NodeMajor = (typeof nodeMajors)[number];

/** A binary is about 120 MB unpacked. */
const installMsMax = 5 * 60_000;

/**
 * Path of a Node.js binary of another line, from the npm package that carries it; kept under
 * `.cache/node`.
 */
export async function nodeBinary(major: NodeMajor): Promise<string> {
  const home = join(cacheFolder("node"), String(major));
  const name = `node-linux-${process.arch}`;
  const binary = join(home, "node_modules", name, "bin", "node");
  if (existsSync(binary)) return binary;
  await mkdir(home, { recursive: true });
  await withFolderLock(join(home, "lock"), async () => {
    if (!existsSync(binary)) await install(home, `${name}@${major}`);
  });
  return binary;
}

function install(prefix: string, spec: string): Promise<void> {
  const options = ["--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"];
  const args = ["install", "--prefix", prefix, ...options, spec];
  return new Promise((resolve, reject) => {
    execFile("npm", args, { timeout: installMsMax }, (error, _stdout, stderr) => {
      if (error === null) resolve();
      else reject(new Error(`npm install ${spec} failed: ${stderr}`, { cause: error }));
    });
  });
}
