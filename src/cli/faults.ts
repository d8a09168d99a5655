/** An error in one line, with its code where it has one. */
export function faultName(error: unknown): string {
  if (!(error instanceof Error)) {
    return String(error);
  }
  const code = "code" in error && typeof error.code === "string" ? error.code : null;
  const message = error.message.split("\n", 1)[0] ?? "";
  return code === null || message.includes(code) ? message : `${message} (${code})`;
}
