import { OPERATORS_TITLE, operatorsRenewKeys } from "./acts/operators.ts";
import { POLICIES_TITLE, policiesDecide } from "./acts/policies.ts";
import { searchEverywhere } from "./acts/r05-never-shown.ts";
import { REVOCATION_TITLE, revocationReachesHost } from "./acts/revocation.ts";
import { PromiseBroken } from "./expectation.ts";
import type { Promised } from "./promises.ts";
import { openStage, type Stage } from "./stage.ts";
import { tellStatement } from "./statement.ts";
import type { Teller } from "./teller.ts";
import { startTour } from "./tour.ts";

const EXIT_BROKEN = 1;
/** As shells say it of a process that was interrupted. */
const EXIT_INTERRUPTED = 130;
const LOG_TAIL_LINES = 5;

/**
 * Plays all promises, what hosts hear of, what operators may do and the account's statement on a stage of their own. Returns the exit code: 0 only when everything held. The stage is always
 * cleared away, whatever happens, also when `interrupted` fires.
 */
export async function runDemo(
  promises: readonly Promised[],
  tell: Teller,
  interrupted: AbortSignal,
  open: (tell: Teller) => Promise<Stage> = openStage,
): Promise<number> {
  const stage = await open(tell);
  try {
    tell.line(
      "plori BYOK: the real service, six simulated providers, a simulated KMS, the real doors. Every amount is in credits.",
    );
    return await Promise.race([play(promises, stage, interrupted), whenAborted(interrupted)]);
  } finally {
    await stage.close();
  }
}

async function play(promises: readonly Promised[], stage: Stage, interrupted: AbortSignal): Promise<number> {
  const tour = startTour(promises, stage);
  const { tell } = stage;
  let playing = "";
  try {
    for (const { id } of promises) {
      playing = id;
      await tour.keep(id);
    }
    playing = "What hosts hear of";
    tell.heading("Ops", REVOCATION_TITLE);
    await revocationReachesHost(stage);
    playing = "What an account may choose";
    tell.heading("Pay", POLICIES_TITLE);
    await policiesDecide(stage);
    playing = "What operators may do";
    tell.heading("Ops", OPERATORS_TITLE);
    await operatorsRenewKeys(stage);
    playing = "What must hold in the end";
    tell.heading("R5", "Once more, after all of this");
    await searchEverywhere(stage);
    await tellStatement(stage);
    tell.verdict(true, `${promises.map(({ id }) => id).join(" ")}: all promises held.`);
    return 0;
  } catch (error) {
    // What fails because the stage is being cleared away says nothing about the promises.
    if (interrupted.aborted) return EXIT_INTERRUPTED;
    tell.verdict(false, `${playing} is broken: ${error instanceof Error ? error.message : String(error)}`);
    if (!(error instanceof PromiseBroken)) for (const line of lastLogLines(stage)) tell.line(line);
    return EXIT_BROKEN;
  }
}

/** What the service logged last: it may tell why a call failed that should not have. */
function lastLogLines({ service }: Stage): string[] {
  const lines = service.output().split("\n");
  return lines.filter((line) => line.startsWith("{")).slice(-LOG_TAIL_LINES);
}

function whenAborted(signal: AbortSignal): Promise<number> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(EXIT_INTERRUPTED);
    else signal.addEventListener("abort", () => resolve(EXIT_INTERRUPTED), { once: true });
  });
}
