import { loadClientConfig } from "../node/config.js";
import { readConfigPath, readPasswordFile } from "../node/config-read.js";
import type { CliContext } from "./context.js";

/** All members that Patroni's file, where one is given, and the environment name, the member itself among them. */
export function configuredMembers(
  context: CliContext,
  file: string | undefined,
): readonly string[] {
  return loadClientConfig({
    file: file === undefined ? undefined : readConfigPath(file),
    env: context.env,
    flags: {},
    readPasswordFile,
  }).addresses;
}
