/**
 * The names of the metadata log.
 *
 * @module
 */

import type { Uuid } from "../../storage/bytes/ids.ts";

/** The topic that the metadata log is, by Kafka's name. It is no topic of the metadata. */
export const METADATA_TOPIC = "__cluster_metadata";

/** The folder of the metadata log, within the data folder. */
export const METADATA_FOLDER = `${METADATA_TOPIC}-0`;

/** Kafka's fixed id of the topic that is the metadata log. */
export const METADATA_TOPIC_ID: Uuid = "AAAAAAAAAAAAAAAAAAAAAQ";
