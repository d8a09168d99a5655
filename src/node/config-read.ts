import { closeSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { configFileBytesMax, passwordFileBytesMax } from "./config-limits.js";
import { ConfigError, type ConfigFile } from "./config-types.js";

/**
 * The files of a configuration path, as Patroni takes it: a file, or a directory whose `.yml` and
 * `.yaml` files count in alphabetical order. Unlike Patroni a path that does not exist is an error:
 * a mistyped name must not start a member of another cluster.
 *
 * @throws ConfigError
 */
export function readConfigPath(path: string): ConfigFile[] {
  const paths = namesIn(path);
  if (paths.length === 0) {
    throw new ConfigError(`${path} holds no .yml or .yaml file`);
  }
  return paths.map((each) => ({ path: each, text: readBounded(each, configFileBytesMax) }));
}

function namesIn(path: string): string[] {
  try {
    if (!statSync(path).isDirectory()) {
      return [path];
    }
    return readdirSync(path)
      .filter((name) => name.endsWith(".yml") || name.endsWith(".yaml"))
      .sort()
      .map((name) => join(path, name))
      .filter((each) => statSync(each).isFile());
  } catch (error) {
    throw new ConfigError(`${path} cannot be read: ${reason(error)}`, { cause: error });
  }
}

/** For `ConfigSources.readPasswordFile`; its caller says which setting named the file. */
export function readPasswordFile(path: string): string {
  return readText(path, passwordFileBytesMax);
}

function readBounded(path: string, bytesMax: number): string {
  try {
    return readText(path, bytesMax);
  } catch (error) {
    throw new ConfigError(`${path} cannot be read: ${reason(error)}`, { cause: error });
  }
}

/** Reads one byte more than allowed at most, whatever the file is: it may be a pipe or endless. */
function readText(path: string, bytesMax: number): string {
  const file = openSync(path, "r");
  try {
    const buffer = Buffer.alloc(bytesMax + 1);
    let length = 0;
    for (let more = -1; more !== 0 && length < buffer.length; length += more) {
      more = readSync(file, buffer, length, buffer.length - length, null);
    }
    return buffer.toString("utf8", 0, length);
  } finally {
    closeSync(file);
  }
}

function reason(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : null;
  if (code === "ENOENT") {
    return "it does not exist";
  }
  if (code === "EACCES") {
    return "permission denied";
  }
  if (code === "EISDIR") {
    return "it is a directory";
  }
  return error instanceof Error ? error.message : String(error);
}
