/** A logged line as people read it: what asks for their attention is a warning of the command. */
export function logText(level: string, message: string): string {
  const line = message.replaceAll(/\s+/g, ' ').trim();
  return level === 'error' || level === 'warn' ? `shoal: warning: ${line}` : `${level}: ${line}`;
}
