/**
 * What all commands that talk to a cluster have in common.
 *
 * @module
 */

import { flag, text, textOr, UsageError } from "./option.ts";
import { readTextFile } from "./text_file.ts";

const DEFAULT_BOOTSTRAP = "127.0.0.1:9192";

/** `--bootstrap` */
export const bootstrap = textOr(
  "HOST:PORT,…",
  DEFAULT_BOOTSTRAP,
  "Brokers to ask first, Kafka's by kafka://HOST:PORT",
);

/** `--secret-file` */
export const secretFile = text("FILE", "Where the secret stands that the brokers ask for");

/** Which cluster a command talks to, and as whom. */
export const cluster = { bootstrap, secretFile };

/** What was given of `cluster`. */
export interface ClusterOptions {
  readonly bootstrap: string;
  readonly secretFile: string | undefined;
}

/**
 * The part of a client's config that lets it in. The secret is the file's text but for white space
 * around it, as in a config file.
 * @throws {UsageError} where the file cannot be read, or is empty
 */
export function access({ secretFile }: ClusterOptions): { readonly secret?: string } {
  if (secretFile === undefined) return {};
  const secret = readTextFile(secretFile, "--secret-file").trim();
  if (secret === "") throw new UsageError(`--secret-file ${secretFile} is empty`);
  return { secret };
}

/** `--json` */
export const json = flag("Print JSON, with the names of the protocol");
