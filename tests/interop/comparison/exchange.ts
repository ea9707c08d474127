/**
 * One connection that asks in Kafka's protocol and returns what was answered, in any version.
 *
 * @module
 */

import { DenoNetwork } from "../../../net/deno_network.ts";
import type { Api } from "../../../net/schema.ts";
import type { Draft } from "../../../net/schema/make.ts";
import { KafkaTestClient } from "../../actors/broker/kafka_test_client.ts";

/** Longer than anything here may take to be answered. */
const PATIENCE_MS = 1_500;

/** What a broker did with a request: answered, hung up, or kept silent. */
export type Answer = unknown | "closed" | "silent";

/** Asks one broker; connects anew where it was hung up on. */
export class Exchange {
  readonly #network = new DenoNetwork();
  readonly #host: string;
  readonly #port: number;
  #client: KafkaTestClient | undefined;

  constructor(address: string) {
    const at = address.lastIndexOf(":");
    this.#host = address.slice(0, at);
    this.#port = Number(address.slice(at + 1));
  }

  async ask<Request, Response>(
    api: Api<Request, Response>,
    version: number,
    draft: Draft<Request>,
  ): Promise<Answer> {
    const client = this.#client ??= await this.#connected();
    const pending = client.begin(api, draft, version);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const silence = new Promise<string>((resolve) => {
      timer = setTimeout(() => resolve("silent"), PATIENCE_MS);
    });
    const settled = pending.settled().catch(() => "closed");
    const answer = await Promise.race([settled, silence]);
    clearTimeout(timer);
    if (typeof answer === "string") this.close();
    return answer;
  }

  close(): void {
    this.#client?.close(true);
    this.#client = undefined;
  }

  #connected(): Promise<KafkaTestClient> {
    return new Promise((resolve) => {
      const client = new KafkaTestClient();
      client.connect(this.#network, { host: this.#host, port: this.#port }, () => resolve(client));
    });
  }
}
