import { expect, test } from "vitest";
import { parseConfig } from "../src/config.ts";

test("the development profile needs no environment at all", () => {
  const reading = parseConfig({}, true);
  expect(reading).toMatchObject({
    kind: "ok",
    unknownNames: [],
    config: {
      environment: "development",
      databasePath: ".plori/plori.db",
      ballastBytes: 8 * 1024 * 1024,
      auditCheckpointFile: ".plori/audit-checkpoints",
      trustDomain: "dev.plori.internal",
      kms: { kind: "development" },
      tls: { kind: "development", directory: ".plori/pki" },
      grpc: { host: "127.0.0.1", port: 7443 },
      connect: { host: "127.0.0.1", port: 7444 },
      ops: { host: "127.0.0.1", port: 7445 },
      connectCallbacks: ["http://localhost:*", "http://127.0.0.1:*"],
    },
  });
});

test("production names everything that is missing in one reading", () => {
  const reading = parseConfig({}, false);
  if (reading.kind !== "wrong") throw new Error("expected problems");
  const text = reading.problems.join("\n");
  for (const name of [
    "ENVIRONMENT",
    "KMS_KEY_IDS",
    "TLS_CERT_FILE",
    "TLS_KEY_FILE",
    "TLS_CA_FILE",
    "TRUST_DOMAIN",
    "DATA_DIR",
  ]) {
    expect(text).toContain(`PLORI_${name} is missing`);
  }
});

test("every wrong value is named at once, and an origin that would carry keys in the clear is refused", () => {
  const reading = parseConfig(
    {
      PLORI_ENVIRONMENT: "Production EU",
      PLORI_GRPC_ADDRESS: "nowhere",
      PLORI_OPS_ADDRESS: "127.0.0.1:99999",
      PLORI_PROVIDER_URLS: '{"openai":"http://proxy.example"}',
      PLORI_CONNECT_CALLBACKS: "https://app.example,http://app.example",
      PLORI_ROLE_MAP: '{"/x/*":"king"}',
      PLORI_DATABASE_URL: "mysql://x",
      PLORI_LOG_LEVEL: "loud",
      PLORI_DRAIN_MS: "-1",
      PLORI_BALLAST_BYTES: "64M",
      PLORI_REFLECTION: "maybe",
      PLORI_DATA_KEY_SOFT_TTL_MS: "999",
      PLORI_DATA_KEY_HARD_TTL_MS: "86400001",
    },
    true,
  );
  if (reading.kind !== "wrong") throw new Error("expected problems");
  expect(reading.problems.map((problem) => problem.split(" ")[0]).sort()).toEqual([
    "PLORI_BALLAST_BYTES",
    "PLORI_CONNECT_CALLBACKS",
    "PLORI_DATABASE_URL",
    "PLORI_DATA_KEY_HARD_TTL_MS",
    "PLORI_DATA_KEY_SOFT_TTL_MS",
    "PLORI_DRAIN_MS",
    "PLORI_ENVIRONMENT",
    "PLORI_GRPC_ADDRESS",
    "PLORI_LOG_LEVEL",
    "PLORI_OPS_ADDRESS",
    "PLORI_PROVIDER_URLS",
    "PLORI_REFLECTION",
    "PLORI_ROLE_MAP",
  ]);
});

test("a misspelt setting is told, not passed over in silence", () => {
  const reading = parseConfig({ PLORI_LOGLEVEL: "debug" }, true);
  expect(reading).toMatchObject({ kind: "ok", unknownNames: ["PLORI_LOGLEVEL"] });
});

test("the rates of routes are bounded, and never off", () => {
  const ratesOf = (perHost: string, perAccount: string) => {
    const env = { PLORI_RESOLVES_PER_SECOND_PER_HOST: perHost, PLORI_RESOLVES_PER_SECOND_PER_ACCOUNT: perAccount };
    const reading = parseConfig(env, true);
    return reading.kind === "ok" ? reading.config.resolvesPerSecond : reading.problems.length;
  };
  expect(ratesOf("", "")).toEqual({ perHost: 20_000, perAccount: 5_000 });
  expect(ratesOf("1", "1000000")).toEqual({ perHost: 1, perAccount: 1_000_000 });
  for (const wrong of ["0", "-1", "1.5", "1000001", "many"]) expect(ratesOf(wrong, wrong)).toBe(2);
});

test("the rate of probes is bounded, and can be turned off", () => {
  const rateOf = (rate: string) => {
    const reading = parseConfig({ PLORI_PROBES_PER_MINUTE: rate }, true);
    return reading.kind === "ok" ? reading.config.probesPerMinute : "wrong";
  };
  expect(["", "0", "60000", "60001", "-1", "1.5", "many"].map(rateOf)).toEqual([
    600,
    0,
    60_000,
    "wrong",
    "wrong",
    "wrong",
    "wrong",
  ]);
});

test("settings about credits are read as exact decimals within bounds, and every wrong one is named", () => {
  const creditsOf = (env: Record<string, string>, development = true) => {
    const reading = parseConfig(env, development);
    return reading.kind === "ok" ? reading.config.credits : reading.problems.map((problem) => problem.split(" ")[0]);
  };
  const CREDIT = 1_000_000_000n;
  expect(creditsOf({})).toEqual({
    lowNano: 10n * CREDIT,
    overdraftLimitNano: 0n,
    creditsPerUsdNano: 100n * CREDIT,
    markupPercent: 0,
  });
  const env = {
    PLORI_CREDITS_LOW_UNITS: "0",
    PLORI_OVERDRAFT_LIMIT_UNITS: "0.000000001",
    PLORI_CREDITS_PER_USD: "33.333333333",
    PLORI_MARKUP_PERCENT: "15",
  };
  expect(creditsOf(env)).toEqual({
    lowNano: 0n,
    overdraftLimitNano: 1n,
    creditsPerUsdNano: 33_333_333_333n,
    markupPercent: 15,
  });
  const names = Object.keys(env).toSorted();
  for (const wrong of ["-1", "1e3", "0x10", "1.0000000001", "9999999999", "NaN", "1,5", " ."]) {
    const all = Object.fromEntries(names.map((name) => [name, wrong]));
    expect(creditsOf(all)).toHaveLength(4);
  }
  expect(creditsOf({ PLORI_CREDITS_PER_USD: "0" })).toEqual(["PLORI_CREDITS_PER_USD"]);
  expect(creditsOf({ PLORI_CREDITS_PER_USD: "1000000.1" })).toEqual(["PLORI_CREDITS_PER_USD"]);
  expect(creditsOf({ PLORI_MARKUP_PERCENT: "1001" })).toEqual(["PLORI_MARKUP_PERCENT"]);
});

test("users are sent back nowhere in production until somebody allows an origin", () => {
  const production = {
    PLORI_ENVIRONMENT: "production",
    PLORI_KMS_KEY_IDS: "alias/plori",
    PLORI_TLS_CERT_FILE: "c",
    PLORI_TLS_KEY_FILE: "k",
    PLORI_TLS_CA_FILE: "a",
    PLORI_TRUST_DOMAIN: "plori.internal",
    PLORI_DATA_DIR: "/data",
  };
  expect(parseConfig(production, false)).toMatchObject({
    kind: "ok",
    config: { connectCallbacks: [], credits: { creditsPerUsdNano: undefined, markupPercent: 0 } },
  });
  const allowed = { ...production, PLORI_CONNECT_CALLBACKS: "https://app.example" };
  expect(parseConfig(allowed, false)).toMatchObject({ config: { connectCallbacks: ["https://app.example"] } });
});

test("data keys serve for 5 minutes and, while KMS is away, for 70, unless told otherwise; never longer while it answers", () => {
  const lives = (env: Record<string, string>) => {
    const reading = parseConfig(env, true);
    return reading.kind === "ok" ? reading.config.dataKeyLife : reading.problems;
  };
  expect(lives({})).toEqual({ softMs: 300_000, hardMs: 4_200_000 });
  const told = { PLORI_DATA_KEY_SOFT_TTL_MS: "2000", PLORI_DATA_KEY_HARD_TTL_MS: "2000" };
  expect(lives(told)).toEqual({ softMs: 2_000, hardMs: 2_000 });
  expect(lives({ ...told, PLORI_DATA_KEY_HARD_TTL_MS: "1999" })).toEqual([
    "PLORI_DATA_KEY_HARD_TTL_MS must be a whole number of milliseconds, from the soft TTL to 86400000",
  ]);
});
