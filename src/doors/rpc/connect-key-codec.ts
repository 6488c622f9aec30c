import { ConnectKeyRequestSchema, ConnectKeyResponseSchema } from "../../gen/plori/keyvault/v1/keyvault_service_pb.ts";
import { type Codec, generatedCodec } from "../grpc-call.ts";

/** ConnectKey's messages: a request is overwritten as soon as it was read, since a key stands in it. (The key in the message is a string.) */
export function createConnectKeyCodec(): Codec {
  const generated = generatedCodec({ input: ConnectKeyRequestSchema, output: ConnectKeyResponseSchema });
  return {
    ...generated,
    decode(bytes) {
      try {
        return generated.decode(bytes);
      } finally {
        bytes.fill(0);
      }
    },
  };
}
