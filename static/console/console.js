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

function bigTextAsFile() {
  /* A text longer than the server takes in a field goes as a file; it stays in its field on the page. */
  const form = document.querySelector("form[data-big-text]");
  if (!form) return;
  const text = document.getElementById(form.dataset.bigText);
  const file = document.getElementById(form.dataset.asFile);
  const lines = (words) => new Blob([words.replace(/\r?\n/g, "\r\n")]);
  form.addEventListener("formdata", (event) => {
    const whole = lines(text.value);
    if (whole.size <= Number(form.dataset.mostBytes)) return;
    const both = new File([whole, "\r\n", ...file.files], "ids.txt", { type: "text/plain" });
    event.formData.set(text.name, "");
    event.formData.set(file.name, both);
  });
}

for (const start of [themeToggle, sidebarOnSmallScreens, searchByKey, oneMenuAtATime, onceOnly, bigTextAsFile]) start();
