// Keeps an open page as new as its run: asks for the version of the page, and puts the parts of a newer one in
// place of its own. The document stays, and with it the position, so that nothing flickers.
"use strict";
(() => {
  const PAUSE = 1000; // milliseconds between two looks
  let version = document.currentScript.dataset.version;

  const details = () => [...document.querySelectorAll("details")];

  function takeOver(page) {
    const open = details().map((each) => each.open);
    const { scrollX, scrollY } = window;
    for (const name of ["header", "main", "footer"]) {
      const [old, fresh] = [document, page].map((where) => where.querySelector(name));
      if (old && fresh) {
        old.replaceWith(fresh);
      }
    }
    document.title = page.title;
    details().forEach((each, i) => { each.open = open[i] ?? false; });
    window.scrollTo(scrollX, scrollY);
  }

  async function look() {
    const newest = await fetch("/version", { cache: "no-store" });
    if (!newest.ok || (await newest.text()) === version) {
      return;
    }
    const answer = await fetch("/", { cache: "no-store" });
    if (!answer.ok) {
      return;
    }
    takeOver(new DOMParser().parseFromString(await answer.text(), "text/html"));
    version = (answer.headers.get("ETag") ?? "").replaceAll('"', "");
  }

  async function stay() {
    // A server that has ended, or is busy, is asked again.
    await look().catch(() => {});
    setTimeout(stay, PAUSE);
  }
  setTimeout(stay, PAUSE);
})();
