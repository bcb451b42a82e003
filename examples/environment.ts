/** The value of a variable. Without it the program ends with the code for wrong usage. */
export const need = (name: string): string => {
  const value = process.env[name];
  if (value) return value;
  console.error(`${name} is not set`);
  return process.exit(2);
};
