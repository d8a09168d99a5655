import { type Command, Option } from "commander";
import { ConfigError } from "../node/config-types.js";
import type { Conditions } from "../tools/conditions.js";

/** As commander collects them. */
export interface ConditionFlags {
  readonly prevExist?: string;
  readonly prevValue?: string;
  readonly prevIndex?: string;
}

/** Patroni's conditions, by its names. */
export function addConditionOptions(command: Command, withExist: boolean): Command {
  if (withExist) {
    command.addOption(
      new Option("--prev-exist <true|false>", "only where the key exists, or does not").choices([
        "true",
        "false",
      ]),
    );
  }
  return command
    .option("--prev-value <text>", "only where the key has this value")
    .option("--prev-index <n>", "only where the value has this index");
}

/** @throws ConfigError */
export function readConditions(flags: ConditionFlags): Conditions {
  const { prevExist, prevValue, prevIndex } = flags;
  return {
    ...(prevExist === undefined ? {} : { prevExist: prevExist === "true" }),
    ...(prevValue === undefined ? {} : { prevValue }),
    ...(prevIndex === undefined ? {} : { prevIndex: readIndex(prevIndex) }),
  };
}

function readIndex(text: string): number {
  const index = /^[0-9]{1,15}$/.test(text) ? Number(text) : -1;
  if (index < 0) {
    throw new ConfigError(`--prev-index is ${JSON.stringify(text)} but must be a whole number`);
  }
  return index;
}
