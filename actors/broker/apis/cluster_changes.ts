/**
 * UnregisterBroker, UpdateFeatures, AddRaftVoter and RemoveRaftVoter: decided by the controller.
 *
 * @module
 */

import {
  ADD_RAFT_VOTER,
  type AddRaftVoterRequest,
  type AddRaftVoterResponse,
} from "../../../net/messages/add_raft_voter.ts";
import {
  REMOVE_RAFT_VOTER,
  type RemoveRaftVoterRequest,
  type RemoveRaftVoterResponse,
} from "../../../net/messages/remove_raft_voter.ts";
import {
  UNREGISTER_BROKER,
  type UnregisterBrokerRequest,
  type UnregisterBrokerResponse,
} from "../../../net/messages/unregister_broker.ts";
import {
  UPDATE_FEATURES,
  type UpdateFeaturesRequest,
  type UpdateFeaturesResponse,
} from "../../../net/messages/update_features.ts";
import { clusterAccess } from "../sessions/access.ts";
import type { ApiHandler } from "../sessions/call.ts";
import { askController, decidedByController } from "../controller_questions.ts";

const ALTER_CLUSTER = [clusterAccess("alter")];

export const unregisterBroker: ApiHandler<UnregisterBrokerRequest, UnregisterBrokerResponse> = {
  api: UNREGISTER_BROKER,
  access: () => ALTER_CLUSTER,
  handle: (call) =>
    decidedByController(call, unregisterBroker, call.broker.config.requestTimeoutMs),
  failed: (_request, errorCode, errorMessage) => ({ throttleTimeMs: 0, errorCode, errorMessage }),
};

export const updateFeatures: ApiHandler<UpdateFeaturesRequest, UpdateFeaturesResponse> = {
  api: UPDATE_FEATURES,
  access: () => ALTER_CLUSTER,
  handle(call) {
    const { request } = call;
    const reply = (response: UpdateFeaturesResponse) => call.reply(response);
    askController(call, UPDATE_FEATURES, inNewestForm(request), request.timeoutMs, {
      answered: reply,
      failed: (error, message) => reply(updateFeatures.failed(request, error, message)),
    });
  },
  failed: ({ featureUpdates }, errorCode, errorMessage) => ({
    throttleTimeMs: 0,
    errorCode,
    errorMessage,
    results: featureUpdates.map(({ feature }) => ({ feature, errorCode, errorMessage })),
  }),
};

const SAFE_DOWNGRADE = 2;

/** The way to the controller has a version of its own, which may lack the older field. */
function inNewestForm(request: UpdateFeaturesRequest): UpdateFeaturesRequest {
  const featureUpdates = request.featureUpdates.map(({ allowDowngrade, ...update }) => ({
    ...update,
    allowDowngrade: false,
    upgradeType: allowDowngrade ? SAFE_DOWNGRADE : update.upgradeType,
  }));
  return { ...request, featureUpdates };
}

export const addRaftVoter: ApiHandler<AddRaftVoterRequest, AddRaftVoterResponse> = {
  api: ADD_RAFT_VOTER,
  access: () => ALTER_CLUSTER,
  handle: (call) => decidedByController(call, addRaftVoter, call.request.timeoutMs),
  failed: (_request, errorCode, errorMessage) => ({ throttleTimeMs: 0, errorCode, errorMessage }),
};

export const removeRaftVoter: ApiHandler<RemoveRaftVoterRequest, RemoveRaftVoterResponse> = {
  api: REMOVE_RAFT_VOTER,
  access: () => ALTER_CLUSTER,
  handle: (call) => decidedByController(call, removeRaftVoter, call.broker.config.requestTimeoutMs),
  failed: (_request, errorCode, errorMessage) => ({ throttleTimeMs: 0, errorCode, errorMessage }),
};
