/** Keys of a question, wherever the focus is: digits choose, Enter goes on. */

/** Return the id of the element of the choice that a digit is for; those of both parts are counted through. */
export function choiceId(number: number): string {
  return `choice-${number}`;
}

/** Do what a key is for. */
export function onKey(event: KeyboardEvent, next: () => void): void {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.key === "Enter") {
    const has = event.target instanceof Element && event.target.closest("button, a, summary");
    if (has || event.repeat) return; // it has an Enter of its own; a key that is held answers once
    event.preventDefault();
    next();
  } else if (/^[1-9]$/.test(event.key)) {
    const choice = document.getElementById(choiceId(Number(event.key)));
    if (!(choice instanceof HTMLInputElement) || choice.disabled) return;
    event.preventDefault();
    choice.focus();
    choice.click();
  }
}
