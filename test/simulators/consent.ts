import type { MintOptions } from "./sim-key.ts";
import type { WireAnswer } from "./wire.ts";

/** A request that needs no key: the consent page, or an exchange. */
export interface OpenRequest {
  readonly method: string;
  readonly url: URL;
  readonly body: string;
}

/** A provider's one click: its consent page, the scripted user in front of it, and the exchange behind it. */
export interface Consent {
  /** The answer to a request that belongs to the one click, "cut" when the connection is to be cut instead; undefined when it belongs elsewhere. */
  answer(request: OpenRequest): WireAnswer | "cut" | undefined;
  /** Codes that were given out and not exchanged are too old from now on. */
  expireCodes(): void;
  /** How the keys of later exchanges are made. */
  mintWith(options: MintOptions): void;
  /** The next exchange mints its key, and its answer is lost on the way. */
  loseNextAnswer(): void;
  /** Keys that exchanges minted, newest last. */
  readonly minted: readonly string[];
  /** The verifiers that exchanges presented, newest last. */
  readonly verifiers: readonly string[];
  /** How many exchanges were asked for, whatever came of them. */
  readonly exchanges: number;
}

/** How the scripted user decides. */
export type Decision = "approve" | "deny";

/**
 * The scripted user: opens the authorization page as a browser would, presses one of its buttons, and returns where the browser is sent then. Throws when
 * there is no such page.
 */
export async function decideAtConsentPage(authorizationUrl: string, decision: Decision): Promise<URL> {
  const page = await fetch(authorizationUrl, { redirect: "manual" });
  const html = await page.text();
  const action = /<form method="post" action="([^"]+)">/.exec(html)?.[1];
  if (page.status !== 200 || action === undefined) throw new Error(`no consent page: HTTP ${page.status}`);
  const answer = await fetch(new URL(action.replaceAll("&amp;", "&"), authorizationUrl), {
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams({ decision }),
    redirect: "manual",
  });
  const location = answer.headers.get("location");
  if (answer.status !== 303 || location === null) throw new Error(`the consent page sent nobody on: ${answer.status}`);
  return new URL(location);
}

/** The user approves; returns what the callback receives. */
export async function approve(
  authorizationUrl: string,
): Promise<{ readonly connectId: string; readonly code: string }> {
  const { searchParams } = await decideAtConsentPage(authorizationUrl, "approve");
  return { connectId: searchParams.get("connect_id") ?? "", code: searchParams.get("code") ?? "" };
}
