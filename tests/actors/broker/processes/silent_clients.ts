/**
 * Many connections that say nothing, or only who they are: opens them, prints how many, and keeps
 * them until its standard input ends.
 *
 * Arguments: port, number, `native` or `kafka`.
 */
import { NATIVE_HANDSHAKE } from "../../../../net/handshake.ts";
import { API_VERSIONS } from "../../../../net/messages/api_versions.ts";
import { kafkaFrame } from "../kafka_test_client.ts";
import { HANDSHAKE, requestFrame } from "../test_client.ts";

const [port, count] = Deno.args.map(Number);
const greeting = Deno.args[2] === "kafka"
  ? kafkaFrame(API_VERSIONS, { clientSoftwareName: "silent", clientSoftwareVersion: "1" }, 3)
  : requestFrame(NATIVE_HANDSHAKE, HANDSHAKE);
const connections: Deno.TcpConn[] = [];
const BATCH = 200;
let refused = "";
while (connections.length < count! && refused === "") {
  const opened = await Promise.allSettled(
    Array.from(
      { length: Math.min(BATCH, count! - connections.length) },
      () => Deno.connect({ hostname: "127.0.0.1", port: port! }),
    ),
  );
  for (const result of opened) {
    if (result.status === "fulfilled") connections.push(result.value);
    else refused = String(result.reason);
  }
  // Every second one says who it is.
  await Promise.all(
    connections.slice(-BATCH).filter((_, index) => index % 2 === 0).map(async (connection) => {
      await connection.write(greeting);
      await connection.read(new Uint8Array(2048));
    }),
  );
}
console.log(JSON.stringify({ opened: connections.length, refused }));
for await (const _ of Deno.stdin.readable);
