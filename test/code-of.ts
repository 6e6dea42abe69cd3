import { ShoalError } from '../src/index.ts';

/** The code of the `ShoalError` that a promise ends with, another error as text, or `no error`. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return error instanceof ShoalError ? error.code : String(error);
  }
  return 'no error';
}
