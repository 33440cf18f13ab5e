/** What is drawn when a quiz is begun. `crypto.getRandomValues` is there on pages without https too. */

/** Return a whole number below `n`, each as likely as the others. */
export function below(n: number, draw: () => number = draw32): number {
  const all = 2 ** 32 - (2 ** 32 % n); // numbers from here on would make the small ones likelier
  for (;;) {
    const number = draw();
    if (number < all) return number % n;
  }
}

/** Return 16 random hexadecimal digits. */
export function session(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
}

function draw32(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]!;
}
