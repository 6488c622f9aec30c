import type { ChargeCondition } from "../../ledger/charge-filter.ts";

/** Conditions as SQL over the charge table, each beginning with AND, and the values for its question marks. */
export function conditionsAsSql(conditions: readonly ChargeCondition[]): {
  readonly sql: string;
  readonly values: readonly (string | number)[];
} {
  const values: (string | number)[] = [];
  let sql = "";
  for (const condition of conditions) {
    switch (condition.field) {
      case "occur_time":
        // The operator is one of a closed list of ours, never the caller's text.
        sql += ` AND occur_ms ${condition.operator} ?`;
        values.push(condition.valueMs);
        break;
      case "label":
        sql += " AND record_text ->> ? = ?";
        values.push(`$.labels."${condition.name}"`, condition.value);
        break;
      default:
        sql += ` AND ${condition.field} = ?`;
        values.push(condition.value);
    }
  }
  return { sql, values };
}
