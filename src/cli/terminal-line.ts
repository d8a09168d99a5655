import type { CliContext } from "./context.js";

/** Time between two drawings of the line. */
const drawMs = 200;

/** One line on standard error that is drawn again and again, where that is a terminal. */
export class TerminalLine {
  readonly #context: CliContext;
  // What is done at once needs no line.
  #drawnMs = performance.now();
  #isDrawn = false;

  constructor(context: CliContext) {
    this.#context = context;
  }

  /** @param text Asked for only where it is time to draw. */
  draw(text: (nowMs: number) => string): void {
    const nowMs = performance.now();
    if (!this.#context.isErrTerminal || nowMs - this.#drawnMs < drawMs) return;
    this.#drawnMs = nowMs;
    this.#isDrawn = true;
    this.#context.err(`\r${text(nowMs)}\u001b[K`);
  }

  clear(): void {
    if (this.#isDrawn) this.#context.err("\r\u001b[K");
    this.#isDrawn = false;
  }
}
