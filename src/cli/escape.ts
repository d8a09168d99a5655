/** Line ends and terminal sequences must not write lines of their own. */
export function escapeControls(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return `\\u${code.toString(16).padStart(4, "0")}`;
  });
}

/** ISO 8601 in the time zone of the machine, with its offset: `2026-01-31T09:05:07.250+01:00`. */
export function localTime(time: Date): string {
  const offsetMin = -time.getTimezoneOffset();
  const shifted = new Date(time.getTime() + offsetMin * 60_000).toISOString().slice(0, -1);
  const sign = offsetMin < 0 ? "-" : "+";
  const hours = String(Math.floor(Math.abs(offsetMin) / 60)).padStart(2, "0");
  const minutes = String(Math.abs(offsetMin) % 60).padStart(2, "0");
  return `${shifted}${sign}${hours}:${minutes}`;
}
