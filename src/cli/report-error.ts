import { errorCode, errorMessage } from '../daemon/error-text.ts';
import { printable } from './format.ts';

/**
 * Ends a failure with one line: `shoal: <message> (ERR_CODE)` on standard error, or the error object.
 *
 * @param jsonTo where events go: standard output, or standard error where content goes to standard output
 */
export function reportError(
  error: unknown,
  { asJson, jsonTo }: { asJson: boolean; jsonTo: { write(text: string): unknown } },
): void {
  const code = errorCode(error);
  const message = errorMessage(error);
  if (asJson) jsonTo.write(`${JSON.stringify({ event: 'error', code, message })}\n`);
  else process.stderr.write(`shoal: ${printable(message)} (${code})\n`);
}
