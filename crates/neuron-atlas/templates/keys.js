// Keys and buttons that all pages have. A page adds its own in `window.pageKeys`: key to function.
(() => {
  "use strict";
  const help = document.getElementById("help");
  const follow = (id) => () => {
    const link = document.getElementById(id);
    if (link) location.href = link.href;
  };
  const home = document.documentElement.dataset.root + "index.html";
  const keys = {
    t: window.switchTheme,
    "?": () => help.showModal(),
    "/": () => { location.href = home + "#search"; },
    j: follow("next"),
    ArrowRight: follow("next"),
    k: follow("previous"),
    ArrowLeft: follow("previous"),
    Escape: follow("up"),
  };

  document.getElementById("theme").addEventListener("click", window.switchTheme);
  document.getElementById("ask").addEventListener("click", () => help.showModal());
  document.addEventListener("keydown", (event) => {
    // The open dialog closes itself on Esc; what is typed into a field belongs to it.
    if (help.open || event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.matches("input, select, textarea");
    if (typing && event.key !== "Escape") return;
    const act = (window.pageKeys || {})[event.key] || keys[event.key];
    if (!act || act(event) === false) return;
    event.preventDefault();
  });
})();
