/**
 * What of a request may be carried out: asks the authorizer of each thing that it does, and takes
 * out what is refused where Kafka decides each element of a list by itself.
 *
 * Plain; the runner acts upon it.
 *
 * @module
 */

import { ErrorCode } from "../../../net/messages/errors.ts";
import type { ClusterImage } from "../../controller/cluster_image.ts";
import type { Access, ResourceType } from "./access.ts";
import type { AnyApiHandler } from "./call.ts";

/** What the authorizer says. */
export type Allows = (access: Access) => boolean;

export type Authorization =
  /** All of it may be carried out. */
  | { readonly kind: "all" }
  /** None of it may. */
  | { readonly kind: "none"; readonly errorCode: ErrorCode }
  /** This may, and `complete` adds to its response what is said of the rest. */
  | {
    readonly kind: "part";
    readonly request: unknown;
    readonly complete: (response: unknown) => unknown;
  };

const ALL: Authorization = { kind: "all" };

const REFUSALS: Readonly<Record<ResourceType, ErrorCode>> = {
  cluster: ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
  topic: ErrorCode.TOPIC_AUTHORIZATION_FAILED,
  group: ErrorCode.GROUP_AUTHORIZATION_FAILED,
  "transactional-id": ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
};

type Message = Readonly<Record<string, unknown>>;
type List = readonly unknown[];

export function authorize(
  handler: AnyApiHandler,
  request: unknown,
  image: ClusterImage,
  allows: Allows,
): Authorization {
  const accesses = handler.access(request, image);
  const isAllowed = (access: Access | undefined) => access === undefined || allows(access);
  if (accesses.every(isAllowed)) return ALL;
  const refusals = accesses.map((access) =>
    isAllowed(access) ? undefined : REFUSALS[access!.resourceType]
  );
  const codes = [...new Set(refusals.filter((code) => code !== undefined))];
  const { elements } = handler;
  if (
    elements === undefined || refusals.every((code) => code !== undefined) && codes.length === 1
  ) {
    return { kind: "none", errorCode: codes[0]! };
  }
  const only = (code: ErrorCode | undefined) =>
    withElements(request as Message, elements.of, (index) => refusals[index] === code);
  const refused = codes.flatMap((code) =>
    (handler.failed(only(code), code, null) as Message)[elements.results] as List
  );
  const complete = (response: unknown) => {
    const results = (response as Message)[elements.results] as List;
    return { ...response as Message, [elements.results]: [...results, ...refused] };
  };
  return { kind: "part", request: only(undefined), complete };
}

/** The request with those of its elements that are kept; they are counted through all its lists. */
function withElements(
  request: Message,
  lists: readonly string[],
  isKept: (index: number) => boolean,
): Message {
  const changed: Record<string, unknown> = { ...request };
  let first = 0;
  for (const name of lists) {
    const elements = request[name] as List;
    const start = first;
    changed[name] = elements.filter((_, index) => isKept(start + index));
    first += elements.length;
  }
  return changed;
}
