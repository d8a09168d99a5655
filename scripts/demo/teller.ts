/** Prints the story, each line with the seconds since its beginning. */
export class Teller {
  readonly #started = performance.now();

  say(line: string): void {
    const seconds = ((performance.now() - this.#started) / 1000).toFixed(1);
    process.stdout.write(`${seconds.padStart(6)} s  ${line}\n`);
  }

  /** A line that belongs to the one before. */
  more(line: string): void {
    process.stdout.write(`          ${line}\n`);
  }

  plain(line = ""): void {
    process.stdout.write(`${line}\n`);
  }
}
