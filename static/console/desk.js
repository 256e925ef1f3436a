/* Selections, and progress of retries and bulk actions. Each page works without it (reload to see progress). */
"use strict";

function selection() {
  const form = document.getElementById("desk");
  const all = document.getElementById("all");
  if (!form || !all) return;
  const ticks = [...form.querySelectorAll("input[name=ids]")];
  const label = document.getElementById("selected");
  const show = () => {
    const chosen = ticks.filter((tick) => tick.checked);
    for (const tick of ticks) tick.closest("tr").classList.toggle("is-selected", tick.checked);
    all.checked = chosen.length > 0 && chosen.length === ticks.length;
    all.indeterminate = chosen.length > 0 && !all.checked;
    label.textContent = chosen.length ? `${chosen.length} selected` : "The selected ones";
  };
  all.addEventListener("change", () => { for (const tick of ticks) tick.checked = all.checked; show(); });
  form.addEventListener("change", show);
  show();
}

async function poll(url, show) {
  let wait = 700;
  for (;;) {
    try {
      const reply = await fetch(url, { headers: { Accept: "application/json" }, credentials: "same-origin" });
      if (reply.ok && show(await reply.json())) return;
    } catch { /* the server is away for a moment */ }
    await new Promise((done) => setTimeout(done, wait));
    wait = Math.min(wait * 1.3, 5000);
  }
}

function retryProgress() {
  const box = document.getElementById("progress");
  if (!box) return;
  poll(box.dataset.url, (now) => {
    document.getElementById("progress-text").textContent = now.text;
    const order = ["queued", "running", "result"];
    const at = now.done ? 2 : order.indexOf(now.stage);
    for (const step of box.querySelectorAll("[data-stage]")) {
      const place = order.indexOf(step.dataset.stage);
      step.classList.toggle("now", place === at);
      step.classList.toggle("past", place < at);
    }
    if (now.done) location.assign(location.pathname);
    return now.done;
  });
}

function operationProgress() {
  const box = document.getElementById("operation");
  if (!box) return;
  poll(box.dataset.url, (now) => {
    document.getElementById("bar").setAttribute("width", now.percent);
    const text = `${now.words}: ${now.done.toLocaleString("en-GB")} done, ${now.skipped.toLocaleString("en-GB")} left alone, of ${now.total.toLocaleString("en-GB")}.`;
    document.getElementById("operation-text").textContent = text;
    if (now.over) location.assign(location.pathname);
    return now.over;
  });
}

function waitForCheck() {
  const box = document.getElementById("check-progress");
  if (!box) return;
  poll(box.dataset.url, (now) => {
    if (now.over) location.assign(location.pathname + location.search);
    return now.over;
  });
}

for (const start of [selection, retryProgress, operationProgress, waitForCheck]) start();
