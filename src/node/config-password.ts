import type { Layers } from "./config-file.js";
import { passwordFileBytesMax } from "./config-limits.js";
import { settings } from "./config-settings.js";
import { ConfigError, type ConfigSources } from "./config-types.js";

/** Which layer a source belongs to: the higher one wins where both settings are given. */
function rank(source: string): number {
  if (source.startsWith("--")) {
    return 2;
  }
  return /^(PATRONI|QUORATE)_[A-Z_]+$/.test(source) ? 1 : 0;
}

/**
 * The password, given as such or in a file. None of the messages shows it.
 *
 * @returns null where there is none: then links are not encrypted. An empty password in the file is
 * one, as in upstream (pysyncobj/syncobj.py asks only whether it is None).
 */
export function readPassword({ found }: Layers, sources: ConfigSources): string | null {
  const direct = found.get(settings.password);
  const file = found.get(settings.passwordFile);
  if (direct !== undefined && file !== undefined && rank(direct.source) === rank(file.source)) {
    throw new ConfigError(
      `${direct.source} and ${file.source} are both set: give only one of them`,
    );
  }
  if (file !== undefined && (direct === undefined || rank(file.source) > rank(direct.source))) {
    return passwordFromFile(file.value, file.source, sources);
  }
  if (direct === undefined) {
    return null;
  }
  if (typeof direct.value !== "string") {
    throw new ConfigError(`${direct.source} must be text: put it in quotes`);
  }
  if (direct.value === "" && rank(direct.source) === 2) {
    throw new ConfigError(`${direct.source} is empty: leave it out where the cluster has none`);
  }
  return direct.value;
}

function passwordFromFile(path: unknown, source: string, sources: ConfigSources): string {
  if (typeof path !== "string" || path === "") {
    throw new ConfigError(`${source} must be the path of a file that holds the password`);
  }
  if (sources.readPasswordFile === undefined) {
    throw new ConfigError(`${source} cannot be used here: give the password itself`);
  }
  let text: string;
  try {
    text = sources.readPasswordFile(path);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? ` (${String(error.code)})` : "";
    throw new ConfigError(`${source} names ${path}, which cannot be read${code}`, { cause: error });
  }
  const password = text.replace(/\r?\n$/, "");
  if (password === "" || /[\r\n]/.test(password) || text.length > passwordFileBytesMax) {
    throw new ConfigError(`${source} names ${path}, which must hold one line: the password`);
  }
  return password;
}
