/**
 * `Symbol.dispose` for browsers of before 2025. Imported first: classes read it when they are defined. esbuild's
 * translation of `using` asks for the same symbols.
 */
for (const name of ['dispose', 'asyncDispose'] as const) {
  if (Symbol[name] === undefined)
    Object.defineProperty(Symbol, name, { value: Symbol.for(`Symbol.${name}`) });
}
export {};
