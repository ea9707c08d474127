/**
 * The listeners of a node: the native one, and for a broker the one for Kafka's clients.
 *
 * @module
 */

import { BoundListener } from "../net/bound_listener.ts";
import type { Connection, Network, SocketAddress } from "../net/network.ts";
import { KAFKA_LISTENER, NATIVE_LISTENER } from "./config/listeners.ts";

/** Where to listen; what is bound already is the node's from now on. */
export interface ListenerOptions {
  readonly native: SocketAddress;
  readonly listener?: BoundListener | undefined;
  /** None where Kafka's protocol is not spoken. */
  readonly kafka?: SocketAddress | undefined;
  readonly kafkaListener?: BoundListener | undefined;
}

/** Both, bound; connections wait until they are served. */
export class NodeListeners {
  readonly native: BoundListener;
  readonly kafka: BoundListener | undefined;

  /** @throws {NetworkError} when an address cannot be listened on; then both are free */
  constructor(network: Network, { native, listener, kafka, kafkaListener }: ListenerOptions) {
    const bound: BoundListener[] = [listener, kafkaListener].filter((each) => each !== undefined);
    const bind = (address: SocketAddress) => {
      const listener = new BoundListener(network, address);
      bound.push(listener);
      return listener;
    };
    try {
      this.native = listener ?? bind(native);
      this.kafka = kafkaListener ?? (kafka === undefined ? undefined : bind(kafka));
    } catch (error) {
      for (const each of bound) each.close();
      throw error;
    }
  }

  /** Who takes connections from now on, with the name of the listener that they came in by. */
  serve(accepted: (connection: Connection, listener: string) => void): void {
    this.native.serve((connection) => accepted(connection, NATIVE_LISTENER));
    this.kafka?.serve((connection) => accepted(connection, KAFKA_LISTENER));
  }

  /** Accepts no more; connections that were handed over stay. */
  close(): void {
    this.native.close();
    this.kafka?.close();
  }
}
