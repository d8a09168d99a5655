import type { Command } from "commander";
import { settingList } from "../node/config-settings.js";
import { collect } from "./client-options.js";

/** Gives `command` one option for each setting, in the table's order. */
export function addSettingOptions(command: Command): Command {
  for (const setting of settingList) {
    const flags = `${setting.option} ${setting.argument}`;
    if (setting.flag === "partnerAddrs") {
      command.option(flags, setting.help, collect);
    } else {
      command.option(flags, setting.help);
    }
  }
  return command;
}
