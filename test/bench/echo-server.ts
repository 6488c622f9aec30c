import { text } from "node:stream/consumers";
import { Server, ServerCredentials, type ServiceDefinition, type UntypedServiceImplementation } from "@grpc/grpc-js";

// The baseline, a process of its own: a bare grpc-js unary call over the same mutual TLS, answering bytes of a given size without looking at the request.

/** What the echo is told, as JSON on its standard input. */
export interface EchoPlan {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly answerBytes: number;
}

const plan = JSON.parse(await text(process.stdin)) as EchoPlan;
const answer = Buffer.alloc(plan.answerBytes, 7);
const asIs = (bytes: Buffer): Buffer => bytes;
const definition: ServiceDefinition = {
  call: {
    path: "/bench.Echo/Call",
    requestStream: false,
    responseStream: false,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  },
};
const implementation: UntypedServiceImplementation = {
  call: (_call: unknown, reply: (error: null, value: Buffer) => void) => reply(null, answer),
};
const server = new Server();
server.addService(definition, implementation);
const credentials = ServerCredentials.createSsl(
  Buffer.from(plan.ca),
  [{ cert_chain: Buffer.from(plan.cert), private_key: Buffer.from(plan.key) }],
  true,
);
server.bindAsync("127.0.0.1:0", credentials, (error, port) => {
  if (error !== null) throw error;
  console.log(port);
});
