/** The copy that somebody else made of watched bytes. */
export interface WatchedCopy {
  /** Overwrites the copy, if one was made. */
  wipe(): void;
}

/**
 * Remembers where `bytes` are copied to by their own `copy`, which is how grpc-js puts a message behind its length into the frame that it sends. The frame
 * is grpc-js's own and cannot be had otherwise. Should grpc-js copy in another way one day, the bytes are sent all the same and their copy
 * stays; the test that reads the process's memory then says so.
 */
export function watchCopy(bytes: Buffer): WatchedCopy {
  let copied: Uint8Array | undefined;
  bytes.copy = (target: Uint8Array, ...where: number[]) => {
    copied = target;
    return Buffer.prototype.copy.call(bytes, target, ...where);
  };
  return { wipe: () => void copied?.fill(0) };
}
