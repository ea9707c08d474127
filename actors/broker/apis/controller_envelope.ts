/**
 * ControllerEnvelope: a request for the active controller from a fellow node, decided by this
 * node's controller if it leads.
 *
 * The sender has asked the authorizer; that it is a node of the cluster is what counts here.
 *
 * @module
 */

import { decodeMessage, encodeMessage, MalformedMessageError } from "../../../net/kafka/codec.ts";
import {
  CONTROLLER_ENVELOPE,
  type ControllerEnvelopeRequest,
  type ControllerEnvelopeResponse,
} from "../../../net/messages/controller_envelope.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import type { Api } from "../../../net/schema.ts";
import { includes } from "../../../net/schema/versions.ts";
import { type Committed, type ControllerRequest, decide } from "../../controller/messages.ts";
import type { ApiHandler } from "../sessions/call.ts";
import { CLUSTER_ACTION, decisionError } from "../quorum_questions.ts";

export const controllerEnvelope: ApiHandler<
  ControllerEnvelopeRequest,
  ControllerEnvelopeResponse
> = {
  api: CONTROLLER_ENVELOPE,
  access: () => CLUSTER_ACTION,
  handle(call) {
    const { request: envelope, broker } = call;
    const refuse = (error: ErrorCode, message: string | null) =>
      call.reply(controllerEnvelope.failed(envelope, error, message));
    const api = broker.apis.forNodes.find(({ key }) => key === envelope.apiKey);
    const version = envelope.apiVersion;
    if (api === undefined || !includes(api.versions, version)) {
      const what = `version ${version} of API ${envelope.apiKey}`;
      return refuse(ErrorCode.UNSUPPORTED_VERSION, `${what} is not served here`);
    }
    let request: unknown;
    try {
      request = decodeMessage(api.request, version, envelope.request);
    } catch (error) {
      if (!(error instanceof MalformedMessageError)) throw error;
      return refuse(ErrorCode.INVALID_REQUEST, error.message);
    }
    call.ask<ControllerRequest, Committed<unknown>>(
      broker.quorum,
      broker.config.requestTimeoutMs,
      (replyTo) => decide(api, request, replyTo),
      (result) => {
        if (result.kind !== "reply") return refuse(decisionError(result), null);
        const { response, error, errorMessage, endOffset } = result.reply;
        if (response === undefined) return refuse(error, errorMessage);
        call.reply(sealed(api, version, response, endOffset));
      },
    );
  },
  failed: (_request, errorCode, errorMessage) => ({
    errorCode,
    errorMessage,
    endOffset: -1,
    response: null,
  }),
};

function sealed(
  api: Api,
  version: number,
  response: unknown,
  endOffset: number,
): ControllerEnvelopeResponse {
  const bytes = encodeMessage(api.response, version, response);
  return { errorCode: ErrorCode.NONE, errorMessage: null, endOffset, response: bytes };
}
