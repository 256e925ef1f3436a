/* The schedule form: shows only the fields of the chosen frequency, and what it would mean. */
"use strict";
{
  const form = document.querySelector("[data-preview]");
  const target = () => document.getElementById(form.dataset.preview);
  let waiting = 0;

  function fieldsOfChoice() {
    const chosen = form.elements.frequency.value;
    for (const field of form.querySelectorAll("[data-for]")) {
      field.hidden = !field.dataset.for.split(" ").includes(chosen);
    }
  }

  async function preview() {
    const given = new URLSearchParams(new FormData(form));
    given.delete("csrfmiddlewaretoken");
    try {
      const reply = await fetch(`${window.location.pathname}?${given}`, { redirect: "error" });
      const page = new DOMParser().parseFromString(await reply.text(), "text/html");
      const fresh = page.getElementById(form.dataset.preview);
      if (reply.ok && fresh) target().replaceWith(fresh);
    } catch { /* the button still works */ }
  }

  if (form) {
    fieldsOfChoice();
    form.addEventListener("input", () => {
      fieldsOfChoice();
      clearTimeout(waiting);
      waiting = setTimeout(preview, 300);
    });
  }
}
