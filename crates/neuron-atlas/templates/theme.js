// Before anything is drawn: the theme that was chosen last, if one was.
(() => {
  "use strict";
  const root = document.documentElement;
  const stored = () => {
    try {
      return localStorage.getItem("atlas-theme");
    } catch {
      return null; // Some browsers keep nothing for pages from a file system.
    }
  };
  const theme = stored();
  if (theme === "dark" || theme === "light") root.dataset.theme = theme;

  window.switchTheme = () => {
    const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    const next = (root.dataset.theme || system) === "dark" ? "light" : "dark";
    root.dataset.theme = next;
    try {
      localStorage.setItem("atlas-theme", next);
    } catch {
      // Then it holds for this page alone.
    }
  };
})();
