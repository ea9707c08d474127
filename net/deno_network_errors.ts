/**
 * What the system says of sockets, in the words of net/network.ts.
 *
 * @module
 */

import {
  formatAddress,
  NetworkError,
  type NetworkErrorKind,
  type SocketAddress,
} from "./network.ts";

const KIND_BY_CODE: Readonly<Record<string, NetworkErrorKind>> = {
  ECONNREFUSED: "refused",
  EADDRINUSE: "address-in-use",
  EHOSTUNREACH: "unreachable",
  ENETUNREACH: "unreachable",
  EADDRNOTAVAIL: "unreachable",
  EHOSTDOWN: "unreachable",
  ENETDOWN: "unreachable",
  ECONNRESET: "reset",
  ECONNABORTED: "reset",
  EPIPE: "reset",
  ETIMEDOUT: "timed-out",
  EMFILE: "too-many-open-files",
  ENFILE: "too-many-open-files",
};

function kindOf(error: unknown): NetworkErrorKind {
  const code = (error as { code?: unknown } | null)?.code;
  const kind = typeof code === "string" ? KIND_BY_CODE[code] : undefined;
  if (kind !== undefined) return kind;
  if (error instanceof Deno.errors.UnexpectedEof) return "reset";
  if (error instanceof Deno.errors.BadResource) return "closed";
  if (error instanceof Deno.errors.Interrupted) return "closed";
  return "other";
}

/** The failure of an operation, e.g. `connect to`, as the system reports it. */
export function networkError(
  operation: string,
  address: SocketAddress,
  error: unknown,
): NetworkError {
  const reason = error instanceof Error ? error.message : String(error);
  return new NetworkError(
    kindOf(error),
    `Cannot ${operation} ${formatAddress(address)}: ${reason}`,
    {
      cause: error,
    },
  );
}

export function socketAddress(address: Deno.Addr): SocketAddress {
  const net = address as Deno.NetAddr;
  return { host: net.hostname, port: net.port };
}

/** Closes what may be closed already. */
export function closeQuietly(resource: { close(): void }): void {
  try {
    resource.close();
  } catch {
    // Closed already.
  }
}
