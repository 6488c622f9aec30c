import type { BegunConnect, ConnectStore } from "../../keyvault/connect-ports.ts";
import { type ConnectRow, SELECT_CONNECT, toStoredConnect } from "./connect-rows.ts";
import type { Connection } from "./open-database.ts";
import { answerKey, readAnswer, SELECT_ANSWER } from "./requests.ts";
import type { Writer } from "./writer.ts";

/** One-click connects in SQLite. */
export function createConnectStore(reader: Connection, writer: Writer): ConnectStore {
  const selectOne = reader.prepare(SELECT_CONNECT);
  const selectAnswer = reader.prepare(SELECT_ANSWER);
  return {
    begin: (connect, mutation) => writer.submit("beginConnect", { connect, mutation }),
    async findBegun(request) {
      return readAnswer(selectAnswer.get(...answerKey(request)), request)?.answer as BegunConnect | undefined;
    },
    async find(account, connectId) {
      const row = selectOne.get(account, connectId) as ConnectRow | undefined;
      return row === undefined ? undefined : toStoredConnect(row);
    },
    claim: (account, connectId, mutation) => writer.submit("claimConnect", { account, connectId, mutation }),
    end: (account, connectId, state, mutation) => writer.submit("endConnect", { account, connectId, state, mutation }),
    sweep: () => writer.submit("sweepConnects", undefined),
  };
}
