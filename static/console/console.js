/* Everything the pages do beyond links and forms. Each works without it. */
"use strict";

function themeToggle() {
  for (const button of document.querySelectorAll(".theme-toggle")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
      document.documentElement.dataset.theme = next;
      try { localStorage.setItem("console-theme", next); } catch { /* not kept then */ }
    });
  }
}

function sidebarOnSmallScreens() {
  const button = document.querySelector(".menu-button");
  if (!button) return;
  const set = (open) => {
    document.body.classList.toggle("nav-open", open);
    button.setAttribute("aria-expanded", String(open));
  };
  button.addEventListener("click", () => set(!document.body.classList.contains("nav-open")));
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") set(false); });
  document.querySelector(".page").addEventListener("click", (event) => {
    if (document.body.classList.contains("nav-open") && !button.contains(event.target)) set(false);
  });
}

function searchByKey() {
  const field = document.getElementById("global-search");
  if (!field) return;
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      field.focus();
      field.select();
    }
  });
}

function oneMenuAtATime() {
  const menus = () => document.querySelectorAll("details.filter[open], details.who[open], details.menu-holder[open]");
  document.addEventListener("click", (event) => {
    for (const menu of menus()) if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of menus()) { menu.open = false; menu.querySelector("summary").focus(); }
  });
}

function onceOnly() {
  /* A second click must not ask twice; the server is the judge, this only spares the question. */
  document.addEventListener("submit", (event) => {
    if (event.target.method !== "post" || event.target.dataset.again !== undefined) return;
    if (event.target.dataset.sent) { event.preventDefault(); return; }
    event.target.dataset.sent = "yes";
    setTimeout(() => { delete event.target.dataset.sent; }, 4000);
  });
}

for (const start of [themeToggle, sidebarOnSmallScreens, searchByKey, oneMenuAtATime, onceOnly]) start();
