/** `value` parts of 10^-`places` as exact decimal text without needless zeros: 12_500 parts of 10^-3 are "12.5". Not negative. */
export function decimalText(value: bigint, places: number): string {
  const digits = value.toString().padStart(places + 1, "0");
  const whole = digits.slice(0, digits.length - places);
  const fraction = digits.slice(digits.length - places).replace(/0+$/, "");
  return fraction === "" ? whole : `${whole}.${fraction}`;
}
