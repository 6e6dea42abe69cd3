import { errorCode, errorMessage, errorTried } from '../daemon/error-text.ts';
import { printable } from './format.ts';

/**
 * Ends a failure with one line: `shoal: <message> (<code>)` on standard error, or the error object. Where nobody was
 * found, a line for each thing that was tried follows.
 *
 * @param jsonTo where events go: standard output, or standard error where content goes to standard output
 */
export function reportError(
  error: unknown,
  { asJson, jsonTo }: { asJson: boolean; jsonTo: { write(text: string): unknown } },
): void {
  const code = errorCode(error);
  const message = errorMessage(error);
  const tried = errorTried(error);
  if (asJson) {
    jsonTo.write(`${JSON.stringify({ event: 'error', code, message, tried })}\n`);
    return;
  }
  const lines = (tried ?? []).map(({ text }) => `  ${printable(text)}\n`);
  process.stderr.write(`shoal: ${printable(message)} (${code})\n${lines.join('')}`);
}
