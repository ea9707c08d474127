/**
 * What all commands that talk to a cluster have in common.
 *
 * @module
 */

import { flag, textOr } from "./option.ts";

export const DEFAULT_BOOTSTRAP = "127.0.0.1:9192";

/** `--bootstrap` */
export const bootstrap = textOr("HOST:PORT,…", DEFAULT_BOOTSTRAP, "Brokers to ask first");

/** `--json` */
export const json = flag("Print JSON, with the names of the protocol");
