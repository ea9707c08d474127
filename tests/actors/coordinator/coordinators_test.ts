/** The coordinators of a broker, over logs that are empty. */

import { assert, assertEquals } from "@std/assert";
import { parseBrokerConfig } from "../../../actors/config/broker_config.ts";
import { ClusterImage } from "../../../actors/controller/cluster_image.ts";
import type { MetadataRecord } from "../../../actors/controller/metadata_record.ts";
import {
  type AnyCoordinatorKind,
  CoordinatorDirectory,
  coordinatorsActor,
  type CoordinatorsRequest,
} from "../../../actors/coordinator/coordinators.ts";
import type { PartitionRequest } from "../../../actors/partition/messages.ts";
import type { Ref } from "../../../actors/runtime/ref.ts";
import { ActorSystem } from "../../../actors/runtime/system.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { idOf, leaderRecord, topicRecords } from "../controller/images.ts";
import { ManualEnvironment } from "../runtime/manual_environment.ts";

const TOPIC = "__things";

class Stage {
  readonly environment = new ManualEnvironment();
  readonly image = new ClusterImage();
  readonly directory = new CoordinatorDirectory(1, this.image);
  /** The leader epoch of each machine that was made, in their order. */
  readonly made: number[] = [];
  /** Whether machines fail when they are loaded. */
  fails = false;
  readonly #ref: Ref<CoordinatorsRequest>;

  constructor() {
    const system = new ActorSystem({ environment: this.environment, node: 1 });
    const log = system.spawn<PartitionRequest>("log", () => ({
      receive(message) {
        if (message.kind !== "list-offset") return;
        message.replyTo.tell({ error: 0, offset: 0, timestamp: -1, leaderEpoch: 0 });
      },
    }));
    const kind: AnyCoordinatorKind = {
      name: "thing",
      topic: TOPIC,
      codec: { encode: () => ({ key: new Uint8Array(0), value: null }), decode: () => undefined },
      make: ({ coordinatorEpoch }) => {
        this.made.push(coordinatorEpoch);
        return {
          replay() {},
          replayMarker() {},
          loaded: () => {
            if (this.fails) throw new Error("It cannot be loaded");
          },
          handle() {},
          metadataChanged() {},
          unloaded() {},
        };
      },
      refuse() {},
    };
    this.#ref = system.spawn(
      "coordinators",
      coordinatorsActor({
        nodeId: 1,
        image: this.image,
        kinds: [kind],
        directory: this.directory,
        config: () => parseBrokerConfig({}),
        logOf: () => log,
      }),
    );
  }

  change(...records: MetadataRecord[]): void {
    const changes = records.map((record) => this.image.replay(record));
    this.#ref.tell({ kind: "metadata-changed", changes });
    this.environment.run();
  }

  get found(): "coordinator" | ErrorCode {
    const found = this.directory.at(TOPIC, 0);
    return typeof found === "number" ? found : "coordinator";
  }

  pass(seconds: number): void {
    for (let step = 0; step < seconds * 10; step++) this.environment.advance(100);
  }
}

Deno.test("coordinators: there is one where this broker leads, for as long as it does", () => {
  const stage = new Stage();
  assertEquals(stage.found, ErrorCode.NOT_COORDINATOR);
  stage.change(...topicRecords(TOPIC, 1));
  assertEquals([stage.found, stage.made], ["coordinator", [0]]);
  stage.change(leaderRecord(idOf(TOPIC), 0, 2));
  assertEquals(stage.found, ErrorCode.NOT_COORDINATOR);
  stage.change(leaderRecord(idOf(TOPIC), 0, 1));
  assertEquals([stage.found, stage.made], ["coordinator", [0, 2]]);
});

Deno.test("coordinators: one that fails is started again, less and less often", () => {
  const stage = new Stage();
  stage.fails = true;
  stage.change(...topicRecords(TOPIC, 1));
  assertEquals(stage.found, ErrorCode.COORDINATOR_LOAD_IN_PROGRESS);
  stage.pass(1);
  assertEquals(stage.made.length, 3);
  stage.pass(120);
  assert(stage.made.length < 14, `it was started ${stage.made.length} times`);
  // In another epoch it may do better.
  stage.fails = false;
  stage.change(leaderRecord(idOf(TOPIC), 0, 2));
  stage.change(leaderRecord(idOf(TOPIC), 0, 1));
  assertEquals(stage.found, "coordinator");
});
