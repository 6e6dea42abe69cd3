import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/**
 * Where the data folder is by default: `$SHOAL_DATA`, else the platform's folder for a user's application data
 * (XDG Base Directory 0.8 on Linux, Application Support on macOS, LOCALAPPDATA on Windows).
 *
 * @returns an absolute path
 */
export function defaultDataDir(
  env: Readonly<Record<string, string | undefined>> = process.env,
  platform: string = process.platform,
): string {
  if (env['SHOAL_DATA']) return resolve(env['SHOAL_DATA']);
  if (platform === 'win32') return join(env['LOCALAPPDATA'] ?? join(homedir(), 'AppData', 'Local'), 'shoal');
  if (platform === 'darwin') return join(homedir(), 'Library', 'Application Support', 'shoal');
  return join(env['XDG_DATA_HOME'] || join(homedir(), '.local', 'share'), 'shoal');
}
