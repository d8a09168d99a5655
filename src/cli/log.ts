import type { Writable } from "node:stream";
import winston from "winston";
import type { LogFields, Logger } from "../logger.js";
import type { Config } from "../node/config-types.js";
import { escapeControls, localTime } from "./escape.js";
import type { LostLine } from "./log-output.js";

/**
 * The log of `run`: to standard error, so that standard output stays free for results. One line for
 * each message, whatever the message holds: part of it may come from a peer.
 */
export function createLogger(options: Config["log"], stream: Writable): Logger {
  const print = printerOf(options);
  const log = winston.createLogger({
    level: options.level,
    levels: { error: 0, warn: 1, info: 2, debug: 3 },
    format: winston.format.printf((info) =>
      print(info.level, String(info.message), fieldsOf(info["fields"])),
    ),
    transports: [new winston.transports.Stream({ stream, eol: "\n" })],
  });
  const at =
    (level: string) =>
    (message: string, fields: LogFields = {}): void => {
      log.log({ level, message, fields });
    };
  return { error: at("error"), warn: at("warn"), info: at("info"), debug: at("debug") };
}

/** What the log says when lines of it could not be written: see LogFile. */
export function lostLineOf(options: Config["log"]): LostLine {
  return (lines, reason) => {
    const message = `${lines} lines of this log could not be written before: ${reason}`;
    return `${printerOf(options)("warn", message, { code: "log-lines-lost" })}\n`;
  };
}

function printerOf({ format }: Config["log"]) {
  return format === "json" ? printJson : printText;
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function printJson(
  level: string,
  message: string,
  fields: Readonly<Record<string, unknown>>,
): string {
  return JSON.stringify({ time: new Date().toISOString(), level, message, ...without(fields) });
}

/** A field cannot take the place of what every line has. */
function without(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const reserved = ["time", "level", "message"];
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(
    entries.map(([name, value]) => [reserved.includes(name) ? `field_${name}` : name, value]),
  );
}

function printText(
  level: string,
  message: string,
  fields: Readonly<Record<string, unknown>>,
): string {
  const shown = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` ${name}=${showValue(value)}`);
  const head = `${localTime(new Date())} ${level.toUpperCase().padEnd(5)}`;
  return `${head} ${escapeControls(message)}${shown.join("")}`;
}

function showValue(value: unknown): string {
  return typeof value === "string" && !/^[^\s"=\p{C}]+$/u.test(value)
    ? escapeControls(JSON.stringify(value))
    : String(value);
}
