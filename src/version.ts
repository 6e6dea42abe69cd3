/** The version of this package. `npm version` and this line move together; a test holds them equal. */
export const version = '0.1.0';
