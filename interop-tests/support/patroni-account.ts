import { execFile } from "node:child_process";
import { chownSync, existsSync, readFileSync } from "node:fs";
import type { PythonEnvironment } from "./python.js";

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
}

/** Who runs Patroni and PostgreSQL. */
export interface Account {
  readonly name: string;
  /** The command that runs another one as this account. */
  as(command: Command): Command;
  /** The same for what `Child` starts: like every child it ends when this process does. */
  asChild(command: Command): Command;
  /** Gives a file or folder to this account. */
  own(path: string): void;
}

/** Importing Patroni takes well below a second. */
const checkMsMax = 60_000;

/**
 * A user who is not root may have to read an interpreter and a checkout below a folder that is
 * closed to it (a home folder, say). These keep its user id, which is all that PostgreSQL asks
 * for, and open such folders; the first that works is taken. A container has the last, not always
 * the second.
 */
const capabilitySets = [null, "+dac_read_search", "+dac_override"] as const;
const setpriv = "/usr/bin/setpriv";

/**
 * PostgreSQL refuses to run as root: then it runs as `postgres` (Debian's package makes it) or as
 * `nobody`; else as the user who runs the tests.
 *
 * @param folder a folder that the account has to enter.
 * @throws Error that says what is missing.
 */
export async function unprivilegedAccount(
  python: PythonEnvironment,
  folder: string,
): Promise<Account> {
  if (process.getuid?.() !== 0) return myself;
  if (!existsSync(setpriv)) {
    throw new Error(`${setpriv} is missing (on Debian and Ubuntu: apt-get install util-linux)`);
  }
  const user = findUser(["postgres", "nobody"]);
  let refused: unknown;
  for (const capabilities of capabilitySets) {
    const account = accountOf(user, capabilities);
    try {
      await checkAccess(account, python, folder);
      return account;
    } catch (error) {
      refused = error;
    }
  }
  throw new Error(
    `the user ${user.name} cannot run ${python.python} in ${folder}: run the tests as another ` +
      "user than root, or from a folder that every user may enter",
    { cause: refused },
  );
}

const myself: Account = {
  name: "myself",
  as: (command) => command,
  asChild: (command) => command,
  own: () => {},
};

interface User {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

function accountOf(user: User, capabilities: string | null): Account {
  const caps =
    capabilities === null ? [] : ["--inh-caps", capabilities, "--ambient-caps", capabilities];
  const ids = ["--reuid", String(user.uid), "--regid", String(user.gid), "--clear-groups"];
  const wrap = (options: readonly string[], { program, args }: Command): Command => ({
    program: setpriv,
    args: [...ids, ...caps, ...options, program, ...args],
  });
  return {
    name: capabilities === null ? user.name : `${user.name} with ${capabilities}`,
    as: (command) => wrap([], command),
    // The change of the user id drops the death signal that Child has set: it is set again.
    asChild: (command) => wrap(["--pdeathsig", "KILL"], command),
    own: (path) => chownSync(path, user.uid, user.gid),
  };
}

function findUser(names: readonly string[]): User {
  const lines = readFileSync("/etc/passwd", "utf8").split("\n");
  for (const name of names) {
    const [, , uid, gid] = lines.find((line) => line.startsWith(`${name}:`))?.split(":") ?? [];
    if (uid !== undefined && gid !== undefined) return { name, uid: Number(uid), gid: Number(gid) };
  }
  throw new Error(`none of the users ${names.join(", ")} exists, and root cannot run PostgreSQL`);
}

/** Through a shell, since setpriv itself starts a program while it still has more rights. */
function checkAccess(account: Account, python: PythonEnvironment, folder: string): Promise<void> {
  const script = 'cd "$1" && exec "$2" -c "import patroni, pysyncobj, psycopg2, yaml"';
  const { program, args } = account.as({
    program: "/bin/sh",
    args: ["-c", script, "sh", folder, python.python],
  });
  return new Promise((resolve, reject) => {
    const options = { timeout: checkMsMax, env: { ...process.env, ...python.env } };
    execFile(program, args, options, (error) => (error === null ? resolve() : reject(error)));
  });
}
