/** Tells programs that a page shows its first map. */

/** Return what marks the document as ready, once, when the frame that shows it is drawn; `then` follows. */
export function onceDrawn(then: () => void = () => {}): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    requestAnimationFrame(() =>
      requestAnimationFrame(() => {
        document.documentElement.dataset.igbatchReady = "";
        then();
      }),
    );
  };
}
