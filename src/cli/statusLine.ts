/**
 * The last line of a terminal, on stderr: what the command does now. Other output clears it first, and it is drawn again below.
 */
let isShown = false;

/** @param text one line that fits the terminal, without control characters. */
export const showStatusLine = (text: string): void => {
  process.stderr.write(`\r${text}\u001b[K`);
  isShown = true;
};

export const clearStatusLine = (): void => {
  if (isShown) process.stderr.write('\r\u001b[K');
  isShown = false;
};
