import { type RotateDeps, rotateAccountKey } from "./rotate-account-key.ts";

/** Rotates an account's data key because it has sealed enough. Throws as `rotateAccountKey`. */
export async function rotateWornKey(deps: RotateDeps, account: string): Promise<void> {
  await rotateAccountKey(deps, { account, requestId: "", actor: "" }, { spiffeId: "service" });
}
