/** Receives what happens inside, one line an event; assignable from the public `ShoalOptions.log`. */
export type Log = (level: 'error' | 'warn' | 'info' | 'debug', message: string) => void;
