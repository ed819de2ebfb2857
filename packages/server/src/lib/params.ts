/** From what a schema says of params to an address, or to the error that says why there is none. */
import { describeIssues, encodeAddress, refusal, type Validated } from '@linefeed/shared/wire';

/**
 * `refused`: whoever asked over the wire is told with a status; a publish has no business with one.
 *
 * @throws LinefeedError `invalid_params` with the schema's issues, `address_too_long`
 */
export function toAddress(
  topic: string,
  result: Validated<unknown>,
  { maxAddressBytes, refused }: { readonly maxAddressBytes: number; readonly refused: boolean },
): string {
  if (result.issues !== undefined) {
    const { issues } = result;
    const message = `The params of ${topic} are not valid: ${describeIssues(issues)}`;
    throw refusal('invalid_params', message, { issues, ...(refused ? {} : { status: undefined }) });
  }
  const address = encodeAddress(topic, result.value as object);
  checkAddressSize(address, maxAddressBytes);
  return address;
}

/** @throws LinefeedError `address_too_long` */
export function checkAddressSize(address: string, maxAddressBytes: number): void {
  // Percent-encoded, an address is ASCII: its length is its bytes.
  if (address.length > maxAddressBytes) {
    throw refusal(
      'address_too_long',
      `The address of ${address.split('?', 1)[0]!.slice(0, 64)} has ${address.length} bytes, more than the ${maxAddressBytes} allowed (maxAddressBytes); send shorter params, or raise that limit of the feed.`,
    );
  }
}
