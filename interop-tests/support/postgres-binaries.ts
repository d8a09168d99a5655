import { execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { delimiter, join } from "node:path";

export interface PostgresBinaries {
  readonly folder: string;
  /** As `postgres --version` says it. */
  readonly version: string;
}

/** What Patroni and these tests run; Debian keeps all of them out of PATH but psql. */
const needed = ["postgres", "initdb", "pg_ctl", "pg_basebackup", "pg_rewind", "psql"];
const debianFolder = "/usr/lib/postgresql";

/**
 * The folder of PostgreSQL's server programs: Debian's newest version, else the first folder in
 * PATH that holds them all. QUORATE_POSTGRES_BIN names another one.
 *
 * @throws Error that says what to install.
 */
export function findPostgres(): PostgresBinaries {
  const folder = candidates().find((each) => needed.every((name) => existsSync(join(each, name))));
  if (folder === undefined) {
    throw new Error(
      "PostgreSQL's server programs are not installed: the Patroni tests need them " +
        "(on Debian and Ubuntu: apt-get install postgresql)",
    );
  }
  const version = execFileSync(join(folder, "postgres"), ["--version"], { encoding: "utf8" });
  return { folder, version: version.trim() };
}

function candidates(): string[] {
  const named = process.env["QUORATE_POSTGRES_BIN"];
  if (named !== undefined) return [named];
  const versions = existsSync(debianFolder) ? readdirSync(debianFolder) : [];
  const newestFirst = versions.sort((a, b) => Number(b) - Number(a));
  return [
    ...newestFirst.map((version) => join(debianFolder, version, "bin")),
    ...(process.env["PATH"] ?? "").split(delimiter).filter((each) => each !== ""),
  ];
}
