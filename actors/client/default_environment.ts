/**
 * The environment of clients that were given none: Deno's, one for all clients of the process.
 *
 * @module
 */

import { denoEnvironment } from "../runtime/deno_environment.ts";
import type { Environment } from "../runtime/environment.ts";

let shared: Environment | undefined;

/** Made at the first call. */
export function defaultEnvironment(): Environment {
  return shared ??= denoEnvironment({ dataRoot: "." });
}
