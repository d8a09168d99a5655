import type { Command } from "commander";
import { loadConfig } from "../node/config.js";
import { readConfigPath, readPasswordFile } from "../node/config-read.js";
import type { ConfigFlags } from "../node/config-types.js";
import type { CliContext } from "./context.js";
import { addSettingOptions } from "./flag-options.js";
import { createLogger, lostLineOf } from "./log.js";
import { logOutput } from "./log-output.js";
import { runMember } from "./run-member.js";
import { tuneEngine } from "./tune-engine.js";

export function registerRun(
  program: Command,
  context: CliContext,
  finish: (code: number) => void,
): void {
  const command = program
    .command("run")
    .summary("run a member of a raft cluster")
    .description(
      "Runs a member until SIGTERM or SIGINT, in the place of patroni_raft_controller: on the same\n" +
        "file, environment, addresses and data directory. Flags win over the environment\n" +
        "(PATRONI_RAFT_*, QUORATE_*), which wins over the file. Logs go to standard error.",
    )
    .argument("[patroni.yml]", "Patroni's configuration, a file or a directory of .yml files");
  addSettingOptions(command)
    .addHelpText(
      "after",
      "\nExamples:\n  quorate run /etc/patroni/patroni.yml --http 127.0.0.1:8008\n" +
        "  quorate run --self-addr 10.0.0.1:2222 --partner-addrs 10.0.0.2:2222,10.0.0.3:2222 \\\n" +
        "    --data-dir /var/lib/quorate --password-file /etc/quorate/password",
    )
    .action(async (path: string | undefined, flags: ConfigFlags) => {
      tuneEngine();
      const config = loadConfig({
        file: path === undefined ? undefined : readConfigPath(path),
        env: context.env,
        flags,
        readPasswordFile,
      });
      const output = logOutput(process.stderr, lostLineOf(config.log));
      const logger = createLogger(config.log, output);
      for (const warning of config.warnings) {
        logger.warn(warning);
      }
      const code = await runMember({
        config,
        logger,
        signals: process,
        exit: (status) => process.exit(status),
        startMember: context.startMember,
        startHttp: async (...options) => {
          // Many members have none.
          const { startHttpServer } = await import("../http/server.js");
          return await startHttpServer(...options);
        },
      });
      finish(code);
    });
}
