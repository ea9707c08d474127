/**
 * What a connection to a node must be told besides whom it connects.
 *
 * @module
 */

import type { TlsOptions } from "../../net/network.ts";
import type { BackoffBounds } from "./backoff.ts";

/** Times are in milliseconds. */
export interface LinkSettings {
  /** A name for the node's logs and quotas. */
  readonly clientId: string;
  /** Shown to nodes that ask for one. */
  readonly secret?: string | undefined;
  /** How to connect by TLS; plainly when absent. */
  readonly tls?: TlsOptions | undefined;
  /** How long the answer to a greeting is waited for. */
  readonly requestTimeoutMs: number;
  /** How long a connection may take to be made and greeted. */
  readonly socketConnectionSetupTimeoutMs: number;
  /** The waits before a lost connection is made again. */
  readonly reconnectBackoff: BackoffBounds;
}
