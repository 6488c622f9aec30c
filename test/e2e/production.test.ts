import { execFile } from "node:child_process";
import { mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Component } from "../../src/gen/plori/ledger/v1/ledger_pb.ts";
import { RecordOutcome } from "../../src/gen/plori/ledger/v1/ledger_service_pb.ts";
import { type DevelopmentKms, startDevelopmentKms } from "../../src/kms/development.ts";
import { type ProviderSimulators, startProviderSimulators } from "../simulators/start.ts";
import { mintAuthority, mintServer, mintSvid, TRUST_DOMAIN } from "../support/pki.ts";
import { callOnce } from "../support/raw-call.ts";
import { startService } from "../support/service-process.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { diskRecord, endSurely, furnish, type House, nano } from "./house.ts";
import { refused } from "./refusal.ts";
import { FREE_PORTS, runMain } from "./run-main.ts";

const run = promisify(execFile);
const BUF = join(import.meta.dirname, "../../node_modules/.bin/buf");
const NEEDED = [
  "PLORI_ENVIRONMENT",
  "PLORI_TRUST_DOMAIN",
  "PLORI_DATA_DIR",
  "PLORI_KMS_KEY_IDS",
  "PLORI_TLS_CERT_FILE",
  "PLORI_TLS_KEY_FILE",
  "PLORI_TLS_CA_FILE",
];
const MODEL = "openai/gpt-5.4-mini";

describe("the production profile without its settings", () => {
  test("ends with exit code 2 and names every missing one at once", async () => {
    const { code, output } = await runMain([], {});
    expect(code).toBe(2);
    for (const name of NEEDED) expect(output).toContain(`${name} is missing`);
    expect(output.trim().split("\n")).toHaveLength(1 + NEEDED.length);
  });

  test("ends with exit code 2 and names every wrong one at once", async () => {
    const wrong = {
      PLORI_ENVIRONMENT: "Not A Label",
      PLORI_TRUST_DOMAIN: "spiffe://x",
      PLORI_GRPC_ADDRESS: "7443",
      PLORI_DATABASE_URL: "mysql://x",
      PLORI_LOG_LEVEL: "loud",
      PLORI_DRAIN_MS: "-1",
      PLORI_PROVIDER_URLS: '{"openai":"http://example.com"}',
      PLORI_ROLE_MAP: "{",
    };
    const { code, output } = await runMain([], wrong);
    expect(code).toBe(2);
    for (const name of [...Object.keys(wrong), "PLORI_KMS_KEY_IDS", "PLORI_TLS_KEY_FILE"])
      expect(output).toContain(name);
  });

  test("ends with exit code 2 and its usage upon an argument that it does not know", async () => {
    const { code, output } = await runMain(["--prod"], {});
    expect(code).toBe(2);
    expect(output).toContain("usage:");
  });
});

describe("the production profile with its settings", () => {
  let simulators: ProviderSimulators;
  let kms: DevelopmentKms;
  let directory: ReturnType<typeof temporaryDirectory>;
  let house: Omit<House, "close"> | undefined;
  let settings: Record<string, string>;
  let authority: Awaited<ReturnType<typeof mintAuthority>>;

  beforeAll(async () => {
    simulators = await startProviderSimulators();
    kms = await startDevelopmentKms();
    authority = await mintAuthority();
  });
  afterAll(async () => {
    await kms.close();
    await simulators.close();
  });
  beforeEach(async () => {
    directory = temporaryDirectory();
    const pki = join(directory.path, "pki");
    mkdirSync(pki);
    writeFileSync(join(pki, "ca.pem"), authority.cert);
    const leaves = {
      server: await mintServer(authority),
      admin: await mintSvid(authority, "/admin/ops"),
      billing: await mintSvid(authority, "/billing/b1"),
      settings: await mintSvid(authority, "/settings/s1"),
      scheduler: await mintSvid(authority, "/scheduler/s1"),
      recorder: await mintSvid(authority, "/recorder/r1"),
      "agent-host-1": await mintSvid(authority, "/agent-host/agent-host-1"),
    };
    for (const [name, { cert, key }] of Object.entries(leaves)) {
      writeFileSync(join(pki, `${name}.pem`), cert);
      writeFileSync(join(pki, `${name}.key`), key);
    }
    settings = {
      PLORI_ENVIRONMENT: "test-production",
      PLORI_TRUST_DOMAIN: TRUST_DOMAIN,
      PLORI_DATA_DIR: directory.path,
      PLORI_KMS_KEY_IDS: kms.keyArn,
      PLORI_TLS_CERT_FILE: join(pki, "server.pem"),
      PLORI_TLS_KEY_FILE: join(pki, "server.key"),
      PLORI_TLS_CA_FILE: join(pki, "ca.pem"),
      AWS_ENDPOINT_URL_KMS: kms.endpoint,
      AWS_REGION: kms.region,
      AWS_ACCESS_KEY_ID: "test",
      AWS_SECRET_ACCESS_KEY: "test",
    };
  });
  afterEach(async () => {
    if (house !== undefined) await endSurely(house.service);
    house = undefined;
    directory.remove();
  });

  async function open(): Promise<Omit<House, "close">> {
    const { path: dataDir } = directory;
    const providerUrls = simulators.providerUrlsJson;
    house = furnish(await startService({ dataDir, providerUrls, env: settings, profile: "production" }), simulators);
    return house;
  }

  test("serves, writes files for its owner alone, and makes nothing that belongs to development", async () => {
    const { service, place, connectOwn, resolve } = await open();
    await place("maya", "agent");
    const secret = await connectOwn("maya", "openai");
    const route = await resolve({ account: "maya", model: MODEL, callId: "c1" });
    expect(Buffer.from(route.credential).toString()).toBe(secret);
    expect(route.priceVersion).toBe("");
    const files = readdirSync(directory.path).filter((name) => name !== "pki");
    expect(files.filter((name) => !name.startsWith("plori.db"))).toEqual([]);
    for (const name of files) expect(statSync(join(directory.path, name)).mode & 0o077, name).toBe(0);
    expect(service.output()).not.toMatch(/development|buf curl/);
    expect(await service.end()).toBe(0);
  });

  test("nothing is free before prices are published: hosted calls and meters are PRICE_NOT_FOUND, and can be sent again afterwards", async () => {
    const { as, place, grant, connectOwn, resolve } = await open();
    await place("maya", "agent");
    await grant("maya", { units: 100n });
    await connectOwn("platform", "openai");
    const wanted = { account: "maya", model: MODEL, callId: "c1", maxOutputTokens: 1_000n };
    expect(await refused(resolve(wanted))).toMatchObject({ code: "FailedPrecondition", reason: "PRICE_NOT_FOUND" });
    const disk = diskRecord("maya", "d1");
    const outcome = async () => (await as("recorder").ledger.recordUsage({ records: [disk] })).results[0]?.outcome;
    expect(await outcome()).toBe(RecordOutcome.REJECTED);
    const price = (component: Component, model: string, pricePico: bigint) => ({
      component,
      model,
      pricePico,
      unitCount: 1_000n,
    });
    const { priceVersion } = await as("billing").ledger.publishPrices({
      items: [
        price(Component.INPUT_UNCACHED, MODEL, 75_000_000_000n),
        price(Component.OUTPUT, MODEL, 450_000_000_000n),
        price(Component.DISK, "", 1_000n),
      ],
    });
    expect(priceVersion).toMatchObject({ name: "priceVersions/1", itemCount: 3 });
    expect((await resolve(wanted)).priceVersion).toBe("priceVersions/1");
    // It happened before the first price book, which prices it all the same: usage is neither lost nor free.
    expect(await outcome()).toBe(RecordOutcome.CREATED);
    const { balance } = await as("billing").ledger.getBalance({ account: "maya" });
    expect(nano(balance?.spent)).toBe(1_000_000_000n);
  });

  test("an identity of another trust domain is UNAUTHENTICATED although our authority signed it, and a foreign authority's fails the handshake", async () => {
    const { service } = await open();
    const rpc = "plori.keyvault.v1.KeyVaultService/ListProviders";
    const foreign = await mintSvid(authority, "/", {
      names: [{ type: "url", value: "spiffe://dev.plori.internal/admin/dev" }],
    });
    const stranger = await mintSvid(await mintAuthority("stranger"), "/admin/ops");
    for (const port of [service.grpcPort, service.connectPort]) {
      expect(await callOnce(port, authority.cert, foreign, rpc)).toMatchObject({ code: 16 });
      await expect(callOnce(port, authority.cert, stranger, rpc)).rejects.toThrow();
      await expect(callOnce(port, authority.cert, undefined, rpc)).rejects.toThrow();
    }
  });

  test("buf curl needs no schema: a grant by the Connect door is in the balance by the gRPC door", async () => {
    const { service } = await open();
    const pki = join(directory.path, "pki");
    const curl = async (port: number, rpc: string, data: object, ...more: readonly string[]): Promise<unknown> => {
      const certificate = ["--cacert", "ca.pem", "--cert", "admin.pem", "--key", "admin.key"];
      const url = `https://localhost:${port}/plori.ledger.v1.LedgerService/${rpc}`;
      const args = ["curl", ...certificate, ...more, "-d", JSON.stringify(data), url];
      const { stdout } = await run(BUF, args, { cwd: pki });
      return JSON.parse(stdout);
    };
    const grant = { account: "maya", amount: { units: "12", nanos: 500_000_000 } };
    expect(await curl(service.connectPort, "GrantCredits", grant)).toMatchObject({ grant: { amount: grant.amount } });
    const read = { account: "maya" };
    expect(await curl(service.grpcPort, "GetBalance", read, "--protocol", "grpc")).toMatchObject({
      balance: { available: grant.amount },
    });
  });

  test("a misspelt setting is pointed out, and a TLS file that is missing is named", async () => {
    const { code, output } = await runMain([], {
      ...FREE_PORTS,
      ...settings,
      PLORI_TLS_KEY_FILE: "/nonexistent/server.key",
      PLORI_GRPC_ADRESS: "127.0.0.1:1",
    });
    expect(code).toBe(1);
    expect(output).toContain("PLORI_GRPC_ADRESS");
    expect(output).toContain("/nonexistent/server.key");
  });
});
