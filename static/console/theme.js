/* Before the first paint: the theme the person chose, else the system's. */
"use strict";
{
  let chosen = null;
  try { chosen = localStorage.getItem("console-theme"); } catch { /* storage is off: follow the system */ }
  const system = () => (window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  document.documentElement.dataset.theme = chosen === "dark" || chosen === "light" ? chosen : system();
}
