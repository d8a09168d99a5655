/** etcd's HTTP/JSON API (`/v3/…`, etcd 3.4 and newer), as much as a restore needs. */

/** etcd refuses, or cannot be reached. */
export class EtcdError extends Error {
  /** Whether a write may have been done all the same. */
  readonly mayBeDone: boolean;

  constructor(message: string, options: ErrorOptions & { readonly mayBeDone: boolean }) {
    super(message, options);
    this.name = "EtcdError";
    this.mayBeDone = options.mayBeDone;
  }
}

/** The one request that sets keys. The others are sent by POST as well, and set none. */
const writePath = "/v3/kv/txn";

type Json = Readonly<Record<string, unknown>>;

/** Of a user of etcd, where it has authentication enabled. */
export interface EtcdUser {
  readonly name: string;
  readonly password: string;
}

export interface EtcdOptions {
  /** For each request. */
  readonly timeoutMs: number;
  /** Null: etcd asks nobody who they are. */
  readonly user: EtcdUser | null;
}

/** What etcd says to who gives no name. */
const noName = "user name is empty";
/**
 * What it says to a token whose time is over (5 minutes without use, or the end of a signed one), and to a
 * signed token since whose making rights have changed. Another one is given for name and password.
 */
const staleTokens = ["invalid auth token", "revision of auth store is old"] as const;
const noNameAdvice =
  "it wants a user: give --etcd-user and --etcd-password-file (a role that may read and write the keys)";

export class EtcdApi {
  readonly #base: string;
  readonly #timeoutMs: number;
  readonly #user: EtcdUser | null;
  #token: string | null = null;
  #loggingIn: Promise<string> | null = null;

  private constructor(base: string, { timeoutMs, user }: EtcdOptions) {
    this.#base = base;
    this.#timeoutMs = timeoutMs;
    this.#user = user;
  }

  /**
   * The first of these that answers.
   *
   * @param urls `http://host:port` each.
   * @throws EtcdError where none answers, it is older than 3.4, or it does not know the user.
   */
  static async connect(urls: readonly string[], options: EtcdOptions): Promise<EtcdApi> {
    const faults: string[] = [];
    for (const url of urls) {
      const api = new EtcdApi(url.replace(/\/+$/, ""), options);
      try {
        const { etcdserver } = await api.#request("GET", "/version", null);
        const [major = 0, minor = 0] = String(etcdserver).split(".").map(Number);
        if (major === 3 && minor >= 4) {
          await api.#logIn();
          return api;
        }
        faults.push(`${url} is etcd ${String(etcdserver)}, and 3.4 or newer is needed`);
      } catch (error) {
        faults.push(error instanceof Error ? error.message : String(error));
      }
    }
    throw new EtcdError(faults.join("; "), { mayBeDone: false });
  }

  /** The value and the revision of a key; null where there is none. */
  async get(key: string): Promise<{ readonly value: string; readonly revision: string } | null> {
    const { kvs } = await this.#post("/v3/kv/range", { key: base64(key) });
    const first: unknown = Array.isArray(kvs) ? kvs[0] : undefined;
    if (typeof first !== "object" || first === null) return null;
    // An empty value is left out of the answer.
    const value = Buffer.from(String(Reflect.get(first, "value") ?? ""), "base64").toString();
    return { value, revision: String(Reflect.get(first, "mod_revision")) };
  }

  async holdsAny(prefix: string): Promise<boolean> {
    const range = { ...prefixRange(prefix), limit: "1", keys_only: true };
    const { kvs } = await this.#post("/v3/kv/range", range);
    return Array.isArray(kvs) && kvs.length > 0;
  }

  /** @returns the lease's id. */
  async grantLease(ttlSec: number): Promise<string> {
    const { ID } = await this.#post("/v3/lease/grant", { TTL: String(ttlSec), ID: "0" });
    return String(ID);
  }

  async revokeLease(id: string): Promise<void> {
    await this.#post("/v3/lease/revoke", { ID: id });
  }

  /** @returns false where a comparison does not hold. */
  async putWhere(compare: readonly Json[], put: Json): Promise<boolean> {
    const body = { compare, success: [{ request_put: put }] };
    const { succeeded } = await this.#post(writePath, body);
    return succeeded === true;
  }

  async #post(path: string, body: Json): Promise<Json> {
    const text = JSON.stringify(body);
    const used = this.#token;
    try {
      return await this.#request("POST", path, text);
    } catch (error) {
      // It was refused, and so it is not done.
      const isStale =
        error instanceof EtcdError && staleTokens.some((says) => error.message.includes(says));
      if (!isStale || this.#user === null) throw error;
      // Of many requests under way the first one asks for a new token, for all.
      if (used === this.#token) await this.#logIn();
      return await this.#request("POST", path, text);
    }
  }

  async #logIn(): Promise<void> {
    const user = this.#user;
    if (user === null) return;
    this.#loggingIn ??= this.#tokenFor(user).finally(() => {
      this.#loggingIn = null;
    });
    this.#token = await this.#loggingIn;
  }

  async #tokenFor(user: EtcdUser): Promise<string> {
    const body = JSON.stringify(user);
    // Without the old token: etcd refuses a stale one here as well.
    const { token } = await this.#request("POST", "/v3/auth/authenticate", body, null);
    return String(token);
  }

  async #request(
    method: string,
    path: string,
    body: string | null,
    authorization = this.#token,
  ): Promise<Json> {
    const url = `${this.#base}${path}`;
    let answer: Response;
    let text: string;
    try {
      const signal = AbortSignal.timeout(this.#timeoutMs);
      const token = authorization === null ? {} : { authorization };
      const headers = { "content-type": "application/json", ...token };
      answer = await fetch(url, { method, body, signal, headers });
      text = await answer.text();
    } catch (error) {
      const message = `${url}: ${reasonOf(error)}`;
      throw new EtcdError(message, { mayBeDone: path === writePath, cause: error });
    }
    const json = parse(text);
    if (answer.ok && json !== null) return json;
    const message = String(json?.["message"] ?? json?.["error"] ?? text.slice(0, 200));
    const said = message.includes(noName) ? `${message}: ${noNameAdvice}` : message;
    // etcd answers 5xx for what timed out on its side: that may come to be done.
    const mayBeDone = answer.status >= 500 && path === writePath;
    throw new EtcdError(`${url}: ${answer.status} ${said}`, { mayBeDone });
  }
}

export function base64(text: string): string {
  return Buffer.from(text, "utf8").toString("base64");
}

/** As etcd's clients ask for a prefix: up to the first key that does not begin with it. */
function prefixRange(prefix: string): Json {
  const all = Buffer.of(0).toString("base64");
  if (prefix === "") return { key: all, range_end: all };
  const end = Buffer.from(prefix, "utf8");
  // No byte of UTF-8 is 0xff.
  end.writeUInt8(end.readUInt8(end.length - 1) + 1, end.length - 1);
  return { key: base64(prefix), range_end: end.toString("base64") };
}

function parse(text: string): Json | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : null;
  } catch {
    return null;
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // fetch says no more than "fetch failed"; the cause knows.
  return error.cause instanceof Error && error.cause.message !== ""
    ? error.cause.message
    : error.message;
}
