/** What is wrong with a backup file, or with what is asked of it. */
export type BackupFault =
  /** It is no backup of Quorate's. */
  | "foreign"
  /** A newer version of Quorate wrote it. */
  | "newer"
  /** Its end is missing. */
  | "truncated"
  /** Its checksum does not fit, or its parts do not fit together. */
  | "damaged";

/** A backup that cannot be used, in one sentence for the operator. Nothing was written. */
export class BackupError extends Error {
  readonly code: BackupFault;

  constructor(code: BackupFault, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "BackupError";
    this.code = code;
  }

  /** The same, of a file that is named. */
  of(path: string): BackupError {
    return new BackupError(this.code, `${path}: ${this.message}`, { cause: this });
  }
}
