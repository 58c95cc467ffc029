// Puts the reader's theme and language on the page before the first paint, so that nothing flashes.
(function () {
  const root = document.documentElement;
  let theme = null;
  let language = null;
  try {
    theme = localStorage.getItem("chapan.theme");
    language = localStorage.getItem("chapan.language");
  } catch {
    // Private mode: the system's wishes hold.
  }
  const dark = theme === "dark" || (theme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  root.setAttribute("data-theme", dark ? "dark" : "light");
  if (language) {
    root.setAttribute("lang", language);
  }
})();
