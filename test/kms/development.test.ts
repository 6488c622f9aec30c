import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startDevelopmentKms } from "../../src/kms/development.ts";
import { loadOrMakeKeys } from "../../src/kms/development-file.ts";
import { newDevelopmentKey } from "../../src/kms/development-keyring.ts";
import { openDevelopmentKms } from "./open-development-kms.ts";

const CONTEXT = { app: "plori-byok" };
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "development-kms-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

test("a data key opens after a restart from the same file, also after a rotation", async () => {
  const file = join(folder, "kms", "keys.json");
  const first = await openDevelopmentKms({ file });
  const before = await first.kms.generateDataKey("alias/plori-dev", CONTEXT);
  first.server.control.rotate(first.server.keyArn);
  const after = await first.kms.generateDataKey("alias/plori-dev", CONTEXT);
  await first.close();

  const second = await openDevelopmentKms({ file });
  expect(second.server.keyArn).toBe(first.server.keyArn);
  for (const made of [before, after]) {
    expect(await second.kms.decrypt(made.keyArn, made.wrapped, CONTEXT)).toEqual(made.plaintext);
  }
  await second.close();
});

test("the key file is readable by its owner only", async () => {
  const file = join(folder, "keys.json");
  const server = await startDevelopmentKms({ file });
  expect(statSync(file).mode & 0o777).toBe(0o600);
  server.control.rotate(server.keyArn);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  await server.close();
});

test("of two that make the file, both use what the first one wrote", () => {
  const file = join(folder, "keys.json");
  const first = loadOrMakeKeys(file, () => [newDevelopmentKey()]);
  // The second finds no file when it looks, and one when it comes to write.
  rmSync(file);
  const second = loadOrMakeKeys(file, () => {
    loadOrMakeKeys(file, () => first);
    return [newDevelopmentKey()];
  });
  expect(second).toEqual(first);
});

test.each([
  "",
  "{}",
  "null",
  '{"format":"plori development kms","version":1,"keys":[{}]}',
  '{"format":"plori development kms","version":2,"keys":[]}',
])("a damaged key file (%s) stops the start and is left as it is", async (text) => {
  const file = join(folder, "keys.json");
  writeFileSync(file, text);
  await expect(startDevelopmentKms({ file })).rejects.toThrow(/damaged/);
  expect(readFileSync(file, "utf8")).toBe(text);
});

test("a data key can be wrapped anew under another key and context, without anyone seeing it", async () => {
  const { kms, server, close } = await openDevelopmentKms({ keys: 2 });
  const other = server.control.keyArns()[1] ?? "";
  const made = await kms.generateDataKey(server.keyArn, CONTEXT);
  const answer = await post(server.endpoint, "ReEncrypt", {
    CiphertextBlob: Buffer.from(made.wrapped).toString("base64"),
    SourceEncryptionContext: CONTEXT,
    SourceKeyId: server.keyArn,
    DestinationKeyId: other,
    DestinationEncryptionContext: { app: "new" },
  });
  expect(answer.status).toBe(200);
  expect(answer.json).toMatchObject({ KeyId: other, SourceKeyId: server.keyArn });
  const wrapped = Buffer.from(String(answer.json["CiphertextBlob"]), "base64");
  expect(await kms.decrypt(other, wrapped, { app: "new" })).toEqual(made.plaintext);
  await close();
});

test.each([
  ["Disabled", 409, "DisabledException"],
  ["PendingDeletion", 409, "KMSInvalidStateException"],
  ["PendingImport", 409, "KMSInvalidStateException"],
  ["Unavailable", 409, "KMSInvalidStateException"],
] as const)("a key in state %s answers with HTTP %i %s, as KMS does", async (state, status, type) => {
  const server = await startDevelopmentKms();
  server.control.setState(server.keyArn, state);
  const answer = await post(server.endpoint, "GenerateDataKey", { KeyId: server.keyArn, KeySpec: "AES_256" });
  expect(answer).toMatchObject({ status, json: { __type: type } });
  await server.close();
});

test("requests that are not for it are refused: wrong operation, method, host, content type, size, body", async () => {
  const server = await startDevelopmentKms();
  const body = { KeyId: server.keyArn };
  const good = await post(server.endpoint, "DescribeKey", body);
  expect(good.status).toBe(200);
  const refused = [
    await post(server.endpoint, "ScheduleKeyDeletion", body),
    await post(server.endpoint, "DescribeKey", body, { method: "PUT" }),
    await post(server.endpoint, "DescribeKey", body, { host: "attacker.example" }),
    await post(server.endpoint, "DescribeKey", body, { "content-type": "text/plain" }),
    await post(server.endpoint, "DescribeKey", { ...body, filler: "x".repeat(70_000) }),
    await post(server.endpoint, "DescribeKey", []),
    await post(server.endpoint, "GenerateDataKey", { ...body, KeySpec: "AES_128" }),
    await post(server.endpoint, "GenerateDataKey", { ...body, KeySpec: "AES_256", EncryptionContext: { a: 1 } }),
    await post(server.endpoint, "Decrypt", { ...body, CiphertextBlob: "" }),
    await post(server.endpoint, "DescribeKey", {}),
  ];
  for (const answer of refused) expect(answer.status).toBe(400);
  await server.close();
});

/** A request as a stranger might send it. */
function post(
  endpoint: string,
  operation: string,
  body: unknown,
  { method = "POST", ...headers }: Record<string, string> = {},
): Promise<{ status: number; json: Record<string, unknown> }> {
  return new Promise((resolve, reject) => {
    const sent = request(
      endpoint,
      {
        method,
        headers: {
          "content-type": "application/x-amz-json-1.1",
          "x-amz-target": `TrentService.${operation}`,
          ...headers,
        },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => {
          resolve({ status: response.statusCode ?? 0, json: JSON.parse(Buffer.concat(chunks).toString("utf8")) });
        });
      },
    );
    sent.on("error", reject);
    sent.end(JSON.stringify(body));
  });
}
