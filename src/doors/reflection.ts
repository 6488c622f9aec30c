import { createRegistry, type DescFile, type DescService, type Registry, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { file_google_rpc_error_details } from "../gen/google/rpc/error_details_pb.ts";

const NOT_FOUND = 5;
const UNIMPLEMENTED = 12;

/** What a client of server reflection asks, in v1 and v1alpha alike. */
export type ReflectionQuestion =
  | {
      readonly case: "fileByFilename" | "fileContainingSymbol" | "allExtensionNumbersOfType" | "listServices";
      readonly value: string;
    }
  | { readonly case: "fileContainingExtension"; readonly value: unknown }
  | { readonly case: undefined; readonly value?: undefined };

/** The answer, in v1 and v1alpha alike. */
export type ReflectionAnswer =
  | { case: "fileDescriptorResponse"; value: { fileDescriptorProto: Uint8Array[] } }
  | { case: "allExtensionNumbersResponse"; value: { baseTypeName: string; extensionNumber: number[] } }
  | { case: "listServicesResponse"; value: { service: { name: string }[] } }
  | { case: "errorResponse"; value: { errorCode: number; errorMessage: string } };

/** Answers server reflection from generated descriptors. */
export class Reflection {
  readonly #services: readonly DescService[];
  readonly #registry: Registry;
  readonly #files = new Map<string, DescFile>();
  readonly #encoded = new Map<string, Uint8Array>();

  /** `services` are listed; every file that they need, and the error details that they send, can be asked for. */
  constructor(services: readonly DescService[]) {
    this.#services = services;
    for (const service of services) this.#addFile(service.file);
    this.#addFile(file_google_rpc_error_details);
    this.#registry = createRegistry(...this.#files.values());
  }

  answer(question: ReflectionQuestion): ReflectionAnswer {
    switch (question.case) {
      case "listServices":
        return {
          case: "listServicesResponse",
          value: { service: this.#services.map(({ typeName }) => ({ name: typeName })) },
        };
      case "fileByFilename":
        return this.#fileAnswer(this.#files.get(question.value), "file");
      case "fileContainingSymbol":
        return this.#fileAnswer(this.#findSymbol(question.value), "symbol");
      case "allExtensionNumbersOfType":
        // proto3 messages have no extensions, and ours define no options of their own.
        return this.#registry.getMessage(question.value) === undefined
          ? errorAnswer(NOT_FOUND, "No such message here.")
          : { case: "allExtensionNumbersResponse", value: { baseTypeName: question.value, extensionNumber: [] } };
      case "fileContainingExtension":
        return errorAnswer(NOT_FOUND, "No such extension here.");
      default:
        return errorAnswer(UNIMPLEMENTED, "This question is not known here.");
    }
  }

  #addFile(file: DescFile): void {
    const name = file.proto.name;
    if (this.#files.has(name)) return;
    this.#files.set(name, file);
    for (const dependency of file.dependencies) this.#addFile(dependency);
  }

  #fileAnswer(file: DescFile | undefined, what: string): ReflectionAnswer {
    if (file === undefined) return errorAnswer(NOT_FOUND, `No such ${what} here.`);
    const wanted = new Set<DescFile>();
    collectDependencies(file, wanted);
    return {
      case: "fileDescriptorResponse",
      value: { fileDescriptorProto: [...wanted].map((each) => this.#encode(each)) },
    };
  }

  #encode(file: DescFile): Uint8Array {
    let bytes = this.#encoded.get(file.proto.name);
    if (bytes === undefined) {
      bytes = toBinary(FileDescriptorProtoSchema, file.proto);
      this.#encoded.set(file.proto.name, bytes);
    }
    return bytes;
  }

  /** A message, enum or service by its full name, or a method, field or value by its parent's name, a dot and its own. */
  #findSymbol(symbol: string): DescFile | undefined {
    const found =
      this.#registry.get(symbol) ?? this.#registry.get(symbol.slice(0, Math.max(0, symbol.lastIndexOf("."))));
    return found?.file;
  }
}

function collectDependencies(file: DescFile, into: Set<DescFile>): void {
  if (into.has(file)) return;
  into.add(file);
  for (const dependency of file.dependencies) collectDependencies(dependency, into);
}

function errorAnswer(errorCode: number, errorMessage: string): ReflectionAnswer {
  return { case: "errorResponse", value: { errorCode, errorMessage } };
}
