import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { OPERATORS_TITLE, operatorsRenewKeys } from "../demo/acts/operators.ts";
import { POLICIES_TITLE, policiesDecide } from "../demo/acts/policies.ts";
import { searchEverywhere } from "../demo/acts/r05-never-shown.ts";
import { REVOCATION_TITLE, revocationReachesHost } from "../demo/acts/revocation.ts";
import { expectThat } from "../demo/expectation.ts";
import { searchDirectory, tracesOf } from "../demo/key-search.ts";
import { PROMISES, type Promised } from "../demo/promises.ts";
import { runDemo } from "../demo/run-demo.ts";
import { openStage, type Stage } from "../demo/stage.ts";
import { tellStatement } from "../demo/statement.ts";
import { createPrinter, silentTeller, type Teller } from "../demo/teller.ts";
import { startTour, type Tour } from "../demo/tour.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

describe("the promises, against the real service over its real doors", () => {
  let stage: Stage;
  let tour: Tour;
  beforeAll(async () => {
    stage = await openStage(silentTeller);
    tour = startTour(PROMISES, stage);
  });
  afterAll(() => stage.close());

  // A promise that does not hold fails its own test.
  const playAll = (): Promise<void> => tour.keep("R6").catch(() => {});

  for (const { id, text } of PROMISES) {
    test(`${id}: ${text}`, () => tour.keep(id));
  }

  test(REVOCATION_TITLE, async () => {
    await playAll();
    await revocationReachesHost(stage);
  });

  test(POLICIES_TITLE, async () => {
    await playAll();
    await policiesDecide(stage);
  });

  test(`${OPERATORS_TITLE}: no route is refused while keys move to another KMS key and are rotated`, async () => {
    await playAll();
    await operatorsRenewKeys(stage);
  });

  test("after all of it the grants, the charges and the balance agree to the nano-credit", async () => {
    await playAll();
    await tellStatement(stage);
  });

  test("R5: after all of it no key that was ever typed lies in the clear anywhere", async () => {
    await playAll();
    await searchEverywhere(stage);
  });
});

describe("the demo itself", () => {
  test("a broken promise ends with exit code 1, says which expectation failed, and leaves neither process nor directory", async () => {
    const broken: Promised = {
      id: "R1",
      text: "a promise that cannot be kept",
      act: async () => expectThat(false, "the sun rises in the west"),
    };
    let told = "";
    const printer = createPrinter((text) => {
      told += text;
    }, false);
    const opened: Stage[] = [];
    const open = async (tell: Teller): Promise<Stage> => {
      const stage = await openStage(tell);
      opened.push(stage);
      return stage;
    };
    expect(await runDemo([broken], printer, new AbortController().signal, open)).toBe(1);
    expect(told).toContain("R1 is broken: expected that the sun rises in the west");
    expect(told).not.toContain("all promises held");
    const stage = opened[0];
    if (stage === undefined) throw new Error("no stage was opened");
    expect(existsSync(stage.service.dataDir)).toBe(false);
    expect(() => process.kill(stage.service.pid, 0)).toThrow("ESRCH");
  });

  test.each(["utf8", "hex", "base64", "base64url"] as const)(
    "the search for keys finds one planted as %s",
    (encoding) => {
      const key = `sk-or-${"v1"}-${"0123456789abcdef".repeat(4)}`;
      const directory = temporaryDirectory();
      try {
        mkdirSync(join(directory.path, "below"));
        for (const before of ["", "x", "xy"]) {
          const content = Buffer.from(`${before}${key}z`).toString(encoding);
          writeFileSync(join(directory.path, "below", "log"), `some text ${content} more text`);
          expect(searchDirectory(directory.path, tracesOf([key]))).toMatchObject({ files: 1, found: ["log"] });
        }
        writeFileSync(join(directory.path, "below", "log"), "nothing of it");
        expect(searchDirectory(directory.path, tracesOf([key]))).toMatchObject({ files: 1, found: [] });
      } finally {
        directory.remove();
      }
    },
  );
});
