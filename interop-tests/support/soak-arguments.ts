import { type ParseArgsConfig, parseArgs } from "node:util";
import type { Kind } from "./seats.js";

type Options = NonNullable<ParseArgsConfig["options"]>;
type Value = ReturnType<typeof parseArgs>["values"][string];

/** Names of the options that take a text, of those that are set or not. */
type TextOf<O extends Options> = OptionOf<O, "string">;
type SwitchOf<O extends Options> = OptionOf<O, "boolean">;
type OptionOf<O extends Options, Type> = {
  [Name in keyof O & string]: O[Name] extends { readonly type: Type } ? Name : never;
}[keyof O & string];

interface Program<O extends Options> {
  /** As somebody starts it: `npm run soak -- crashes`. */
  readonly program: string;
  readonly help: string;
  /** With `help` among them. */
  readonly options: O;
}

/** What a test has instead of the process. */
interface Surroundings {
  readonly args: readonly string[];
  /** Prints the help and ends. */
  readonly tell: (help: string) => never;
  /** Says what was wrong and ends. */
  readonly refuse: (line: string) => never;
}

interface Range {
  readonly from?: number;
  readonly to?: number;
  /** Where the option is not given and has no default. */
  readonly otherwise?: number;
}

const ofProcess: Surroundings = {
  args: process.argv.slice(2),
  tell(help) {
    process.stdout.write(`${help.trimEnd()}\n`);
    process.exit(0);
  },
  refuse(line) {
    process.stderr.write(`${line}\n`);
    process.exit(2);
  },
};

/**
 * What a long run was asked for. Anything that makes no sense ends the program with a line that says so,
 * before it starts anything: a run of nothing, or of something else, must not look like a success.
 */
export class SoakArguments<const O extends Options> {
  readonly #program: string;
  readonly #values: Readonly<Record<string, Value>>;
  readonly #surroundings: Surroundings;

  constructor({ program, help, options }: Program<O>, surroundings = ofProcess) {
    this.#program = program;
    this.#surroundings = surroundings;
    this.#values = this.#parsed([...surroundings.args], options);
    if (this.#values["help"] === true) surroundings.tell(help);
  }

  isSet(option: SwitchOf<O>): boolean {
    return this.#values[option] === true;
  }

  text(option: TextOf<O>): string | undefined {
    const value = this.#values[option];
    return typeof value === "string" ? value : undefined;
  }

  /** What a reader makes of the text; it throws an Error that says what is wrong. */
  read<T>(option: TextOf<O>, reader: (text: string) => T): T {
    const text = this.text(option);
    if (text === undefined) throw new Error(`--${option} has neither a value nor a default`);
    try {
      return reader(text);
    } catch (error) {
      return this.refuse(`--${option}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  /** A whole number. */
  count(option: TextOf<O>, range: Range = {}): number {
    return this.#number(option, { from: 1, to: 1e9, ...range }, /^\d{1,10}$/, "a whole number");
  }

  number(option: TextOf<O>, range: Range = {}): number {
    return this.#number(option, { from: 0, to: 1e9, ...range }, /^\d{1,10}(?:\.\d+)?$/, "a number");
  }

  word<T extends string>(option: TextOf<O>, words: readonly T[]): T {
    return this.read(option, (text) => {
      const found = words.find((word) => word === text);
      if (found === undefined) throw wrong(text, `one of ${words.join(", ")}`);
      return found;
    });
  }

  /** Words with commas between them, each of which a pattern takes. */
  list(option: TextOf<O>, pattern: RegExp, example: string): readonly string[] {
    return this.read(option, (text) => {
      const words = text.split(",");
      if (!words.every((word) => pattern.test(word)))
        throw wrong(text, `a list such as ${example}`);
      return words;
    });
  }

  /** Who is who, a letter each. */
  kinds(option: TextOf<O>, { from, to }: { readonly from: number; readonly to: number }): Kind[] {
    return this.read(option, (text) => {
      if (!/^[qv]*$/.test(text) || text.length < from || text.length > to) {
        const many = from === to ? `${from}` : `${from} to ${to}`;
        throw wrong(text, `${many} letters, q for Quorate and v for PySyncObj`);
      }
      return [...text].map((letter) => (letter === "v" ? "vanilla" : "quorate"));
    });
  }

  /** Of PySyncObj. */
  version(option: TextOf<O>): string {
    return this.read(option, (text) => {
      if (!/^\d+\.\d+\.\d+$/.test(text)) throw wrong(text, "a version such as 0.3.17");
      return text;
    });
  }

  /** The arguments as they were given, but for this one. */
  without(option: TextOf<O>): string[] {
    return Object.entries(this.#values).flatMap(([name, value]) => {
      if (name === option || value === undefined || value === false) return [];
      return value === true ? [`--${name}`] : [`--${name}=${value}`];
    });
  }

  refuse(why: string): never {
    const program = this.#program;
    return this.#surroundings.refuse(`${program}: ${why}; what it takes: ${program} --help`);
  }

  #parsed(args: string[], options: O): Readonly<Record<string, Value>> {
    try {
      return parseArgs({ args, options }).values;
    } catch (error) {
      // Its second sentence is about arguments that no program here takes.
      return this.refuse(error instanceof Error ? (error.message.split(/\. |\n/)[0] ?? "") : "");
    }
  }

  #number(
    option: TextOf<O>,
    { from, to, otherwise }: Range & { readonly from: number; readonly to: number },
    pattern: RegExp,
    what: string,
  ): number {
    if (otherwise !== undefined && this.text(option) === undefined) return otherwise;
    return this.read(option, (text) => {
      const number = Number(text);
      if (pattern.test(text) && number >= from && number <= to) return number;
      throw wrong(text, `${what} from ${from} to ${to}`);
    });
  }
}

function wrong(text: string, must: string): Error {
  return new Error(`${JSON.stringify(text)} is not ${must}`);
}
