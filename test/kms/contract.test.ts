import { kmsContract } from "../contract/kms.ts";
import { openDevelopmentKms } from "./open-development-kms.ts";

kmsContract("AWS client to development KMS", async () => {
  const { kms, server, close } = await openDevelopmentKms({ keys: 2 });
  return {
    kms,
    keyArn: server.keyArn,
    otherKeyArn: server.control.keyArns()[1] ?? "",
    alias: "alias/plori-dev",
    ...server.control,
    close,
  };
});
