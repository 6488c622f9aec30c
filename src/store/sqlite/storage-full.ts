import type { Refusal } from "../../base/errors.ts";

/** What a caller is told whose write met a full disk, or came while it was known to be full. */
export const STORAGE_FULL: Refusal = {
  reason: "STORAGE_FULL",
  message: "The database's disk is full; nothing was written. Try again once there is room.",
};
