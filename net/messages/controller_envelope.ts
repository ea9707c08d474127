/**
 * ControllerEnvelope: a request that is for the active controller, handed on by the node that got
 * it or made it. Strom's own, under a key that Kafka's protocol will not reach.
 *
 * Request and response are those of the API within, as Kafka's encoding writes them, without
 * header; they travel as records do, behind the envelope, as they may be large. `endOffset` is
 * where the metadata log ended: a node that has applied it up to there sees what was decided.
 * NOT_CONTROLLER when the receiver does not lead the metadata quorum; the request has then had no
 * effect.
 *
 * @module
 */

import { api, type Infer, int16, int64, records, string, struct } from "../schema.ts";

export const CONTROLLER_ENVELOPE = api({
  key: 10001,
  name: "ControllerEnvelope",
  versions: "0",
  flexibleVersions: "none",
  request: struct({
    apiKey: int16(),
    apiVersion: int16(),
    /** Who asked; the node that hands it on has checked that he may. */
    principal: string(),
    request: records(),
  }),
  response: struct({
    errorCode: int16(),
    errorMessage: string({ nullableVersions: "0+", default: null }),
    endOffset: int64({ default: -1 }),
    /** Null where there is an error. */
    response: records({ nullableVersions: "0+", default: null }),
  }),
});

export type ControllerEnvelopeRequest = Infer<typeof CONTROLLER_ENVELOPE.request>;
export type ControllerEnvelopeResponse = Infer<typeof CONTROLLER_ENVELOPE.response>;
