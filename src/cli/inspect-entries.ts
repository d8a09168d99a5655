import type { Entry } from "../../protocol/log/entry.js";
import { systemClock } from "../clock.js";
import { behindGapText, lookBehindGap, walkBehindGaps } from "../files/behind-gap.js";
import { type EntryView, viewEntry } from "../files/command-view.js";
import { FilesError } from "../files/files-error.js";
import { type FollowEvent, followJournal } from "../files/follow.js";
import { JournalStream } from "../files/journal-stream.js";
import { nodeFileSystem } from "../storage/node-file-system.js";
import { bytesOf, findReadable } from "./chosen-files.js";
import type { CliContext } from "./context.js";
import { EntryFilter } from "./entry-filter.js";
import { localTime } from "./escape.js";
import type { InspectFlags } from "./inspect.js";
import { showValue } from "./kv-session.js";
import { withProgress } from "./progress-line.js";

/** Prints a journal's entries, decoded. */
export async function printEntries(
  context: CliContext,
  path: string,
  flags: InspectFlags,
): Promise<void> {
  const { journal } = await findReadable(path);
  if (journal === null) {
    throw new FilesError("not-held", path, "there is no journal here, which is what holds entries");
  }
  const printer = new EntryPrinter(context, new EntryFilter(flags), flags.json === true);
  if (flags.follow === true) await follow(context, journal, printer);
  else await printAll(context, journal, printer);
}

async function printAll(context: CliContext, path: string, printer: EntryPrinter): Promise<void> {
  const doing = { doing: "reading", totalBytes: await bytesOf([path]) };
  await withProgress(context, doing, async (watch) => {
    const stream = await JournalStream.open(nodeFileSystem, path, watch);
    try {
      const batches = stream.records();
      let last = 0;
      let step = await batches.next();
      for (; step.done !== true; step = await batches.next()) {
        if ((await printer.print(step.value.entries)) === "done") return;
        last = step.value.entries.at(-1)?.index ?? last;
      }
      const broken = stream.breakAfter(step.value);
      if (broken === null) return;
      printer.note(brokenText(broken.offset));
      if (broken.reason === "gap")
        await printBehind(stream, printer, { from: broken.offset, last });
    } finally {
      await stream.close();
    }
  });
}

/** Whole entries behind others that are missing: nothing else shows them. */
async function printBehind(
  stream: JournalStream,
  printer: EntryPrinter,
  { from, last }: { readonly from: number; readonly last: number },
): Promise<void> {
  const behind = await lookBehindGap(stream, from, last);
  if (behind === null) return;
  printer.note(`${behindGapText(behind)}: they follow`);
  for await (const { entries } of walkBehindGaps(stream, from, last)) {
    if ((await printer.print(entries)) === "done") return;
  }
}

/** Of a journal that breaks off. */
export function brokenText(offset: number): string {
  return `the records hold together up to byte ${offset}: see quorate verify`;
}

async function follow(context: CliContext, path: string, printer: EntryPrinter): Promise<void> {
  const stopping = new AbortController();
  const unhook = context.onInterrupt(() => stopping.abort());
  try {
    const { signal } = stopping;
    for await (const event of followJournal(nodeFileSystem, path, { clock: systemClock, signal })) {
      if (event.kind !== "entries") printer.event(event);
      else if ((await printer.print(event.entries)) === "done") return;
      if (signal.aborted) return;
    }
  } finally {
    unhook();
  }
}

class EntryPrinter {
  readonly #context: CliContext;
  readonly #filter: EntryFilter;
  readonly #isJson: boolean;

  constructor(context: CliContext, filter: EntryFilter, isJson: boolean) {
    this.#context = context;
    this.#filter = filter;
    this.#isJson = isJson;
  }

  /** @returns `done` where no later entry can be asked for. */
  async print(entries: readonly Entry[]): Promise<"done" | "more"> {
    let text = "";
    for (const entry of entries) {
      if (!this.#filter.mayShow(entry.index, entry.term)) continue;
      const view = viewEntry(entry);
      if (!this.#filter.shows(view)) continue;
      text += this.#isJson ? `${JSON.stringify(view)}\n` : formatEntry(view);
    }
    if (text !== "") this.#context.out(text);
    await this.#context.drained();
    const last = entries.at(-1);
    return last !== undefined && this.#filter.isBehind(last.index + 1) ? "done" : "more";
  }

  event(event: Exclude<FollowEvent, { readonly kind: "entries" }>): void {
    const { kind, ...place } = event;
    if (this.#isJson) this.#context.out(`${JSON.stringify({ event: kind, ...place })}\n`);
    else this.note(eventText(event));
  }

  note(message: string): void {
    this.#context.err(`quorate: ${message}\n`);
  }
}

function eventText(event: Exclude<FollowEvent, { readonly kind: "entries" }>): string {
  switch (event.kind) {
    case "cut":
      return `the entries from ${event.from} on were cut; what follows took their places`;
    case "gap":
      return `the journal was compacted: entries ${event.from} to ${event.to} were not seen`;
    case "broken":
      return brokenText(event.offset);
  }
}

/** Index, term, time, operation, key, value, and what else there is. */
export function formatEntry(view: EntryView): string {
  const time = view.updated === undefined ? "-" : localTime(new Date(view.updated * 1000));
  const cells = [String(view.index), String(view.term), time, view.operation];
  if (view.key !== null) cells.push(showValue(view.key));
  if (view.value !== undefined) cells.push(showValue(view.value));
  if (view.address !== undefined) cells.push(showValue(view.address));
  if (view.version !== undefined) cells.push(String(view.version));
  if (view.ttlSec !== undefined) cells.push(`ttl=${view.ttlSec}`);
  if (view.recursive === true) cells.push("recursive");
  if (view.conditions !== undefined) cells.push(showValue(view.conditions));
  if (view.fault !== undefined) cells.push(showValue(view.fault));
  return `${cells.join("  ")}\n`;
}
