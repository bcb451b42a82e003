/** The output of the final state in which a machine has ended. xstate does not know its type. */
export const finalOutput = <Output>({ event }: { readonly event: unknown }): Output =>
  (event as { readonly output: Output }).output;
