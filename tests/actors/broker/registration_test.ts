import { assertEquals } from "@std/assert";
import { Registration, type RegistrationMessage } from "../../../actors/broker/registration.ts";
import { parseBrokerConfig } from "../../../actors/config/broker_config.ts";
import type { Decide } from "../../../actors/controller/messages.ts";
import type { ActorContext } from "../../../actors/runtime/actor.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { Stage } from "../runtime/puppet.ts";

Deno.test("registration: who could not be heard asks a new controller at once", () => {
  const stage = new Stage();
  let asked = 0;
  const controller = stage.system.spawn<Decide>("controller", () => ({
    receive: ({ replyTo }) => {
      asked++;
      const error = ErrorCode.NOT_CONTROLLER;
      replyTo.tell({ response: undefined, error, errorMessage: "nobody leads", endOffset: 0 });
    },
  }));
  let registration!: Registration;
  stage.system.spawn<RegistrationMessage>("broker", (context) => {
    registration = new Registration(context as ActorContext<RegistrationMessage>, {
      nodeId: 1,
      clusterId: "c",
      incarnationId: "i",
      directoryId: "d",
      previousBrokerEpoch: -1,
      endPoints: [],
      features: [],
      config: parseBrokerConfig({ "node.id": "1" }),
      controller,
      registered: () => {},
      refused: () => {},
    });
    return { receive: (message) => registration.received(message) };
  });
  stage.run();
  registration.controllerFound();
  stage.run();
  assertEquals(asked, 0, "it has not begun");
  registration.start();
  stage.environment.advance(10_000);
  const before = asked;
  stage.environment.advance(10);
  assertEquals(asked, before, "it waits for up to a second");
  registration.controllerFound();
  stage.environment.advance(10);
  assertEquals(asked, before + 1);
});
