import { execFile } from "node:child_process";
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { projectRoot } from "./project.js";

const run = promisify(execFile);

/** Installing takes what npm's cache lacks from the registry. */
const npmMsMax = 3 * 60_000;

/** TypeScript 7, which this project is built with, and TypeScript 6. */
type Compiler = "typescript-7" | "typescript";

type Settings = Readonly<Record<string, boolean | string | readonly string[]>>;

/** An empty project that has nothing but the packed package, as a user's has. */
export interface EmptyProject {
  readonly folder: string;
  /** Compiles files of the project with strict settings and these besides; throws with the faults. */
  typeCheck(files: readonly string[], settings: Settings, compiler?: Compiler): Promise<void>;
}

/** Packs the build with `npm pack`, and installs the tarball. */
export async function installPacked(folder: string): Promise<EmptyProject> {
  mkdirSync(folder, { recursive: true });
  const npm = (cwd: string, ...args: readonly string[]) =>
    run("npm", [...args, "--no-audit", "--no-fund", "--ignore-scripts"], {
      cwd,
      timeout: npmMsMax,
    });
  await npm(projectRoot(), "pack", "--pack-destination", folder);
  const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz"));
  if (tarball === undefined) throw new Error("npm pack wrote no tarball");
  const manifest = { name: "program", version: "1.0.0", private: true, type: "module" };
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
  await npm(folder, "install", "--prefer-offline", `./${tarball}`);
  // What a TypeScript project has besides; it declares Node.js only.
  mkdirSync(join(folder, "node_modules", "@types"), { recursive: true });
  symlinkSync(
    join(projectRoot(), "node_modules", "@types", "node"),
    join(folder, "node_modules", "@types", "node"),
  );
  return { folder, typeCheck: typeCheck.bind(null, folder) };
}

async function typeCheck(
  folder: string,
  files: readonly string[],
  settings: Settings,
  compiler: Compiler = "typescript-7",
): Promise<void> {
  const compilerOptions = {
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    noPropertyAccessFromIndexSignature: true,
    verbatimModuleSyntax: true,
    skipLibCheck: false,
    target: "es2023",
    lib: ["es2023"],
    types: ["node"],
    rootDir: ".",
    outDir: `out-${settings["module"]}`,
    ...settings,
  };
  const config = `tsconfig.${settings["module"]}.json`;
  writeFileSync(join(folder, config), JSON.stringify({ compilerOptions, files }));
  const program = join(projectRoot(), "node_modules", compiler, "bin", "tsc");
  try {
    await run(process.execPath, [program, "-p", config], { cwd: folder, timeout: npmMsMax });
  } catch (error) {
    const said = error instanceof Error && "stdout" in error ? String(error.stdout) : "";
    throw new Error(`${compiler}, ${JSON.stringify(settings)}:\n${said}`, { cause: error });
  }
}
