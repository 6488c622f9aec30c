import { Client, credentials } from "@grpc/grpc-js";
import type { Material } from "./material.ts";

/** Where the service's gRPC door is. */
export interface Endpoint {
  /** "byok.internal:7443". */
  readonly address: string;
  /** The name that the service's certificate must bear, when it is not the address's. */
  readonly serverName?: string | undefined;
}

/** A dead connection is found out within 15 seconds, also while nothing is asked. */
const KEEPALIVE_EVERY_MS = 10_000;
const KEEPALIVE_ANSWER_MAX_MS = 5_000;
const RECONNECT_FIRST_MS = 100;
const RECONNECT_MAX_MS = 5_000;
/** The answer to 500 records holds 500 charges. */
const ANSWER_MAX_BYTES = 16 * 1024 * 1024;

/** A connection with this material. It is made when the first call needs it, and made again whenever it breaks. */
export function openClient({ address, serverName }: Endpoint, material: Material): Client {
  return new Client(address, credentials.createFromSecureContext(material.context), {
    "grpc.keepalive_time_ms": KEEPALIVE_EVERY_MS,
    "grpc.keepalive_timeout_ms": KEEPALIVE_ANSWER_MAX_MS,
    "grpc.keepalive_permit_without_calls": 1,
    "grpc.initial_reconnect_backoff_ms": RECONNECT_FIRST_MS,
    "grpc.min_reconnect_backoff_ms": RECONNECT_FIRST_MS,
    "grpc.max_reconnect_backoff_ms": RECONNECT_MAX_MS,
    "grpc.max_receive_message_length": ANSWER_MAX_BYTES,
    // Connections of other material must not be shared, and must end with their client.
    "grpc.use_local_subchannel_pool": 1,
    "grpc.enable_channelz": 0,
    ...(serverName === undefined
      ? {}
      : { "grpc.ssl_target_name_override": serverName, "grpc.default_authority": serverName }),
  });
}
