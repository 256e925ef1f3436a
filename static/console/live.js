/* The live part of a run's page: asks every two seconds until the run has ended. */
"use strict";
{
  const live = document.getElementById("live");
  const address = live && live.dataset.poll;
  let misses = 0;

  async function look() {
    try {
      const reply = await fetch(address, { headers: { Accept: "application/json" }, redirect: "error" });
      if (!reply.ok) throw new Error(String(reply.status));
      const found = await reply.json();
      misses = 0;
      live.innerHTML = found.html;
      if (!found.active) {
        window.location.reload();
        return;
      }
    } catch {
      misses += 1;
    }
    if (misses < 30) setTimeout(look, 2000 * (1 + Math.min(misses, 5)));
  }

  if (address) setTimeout(look, 2000);
}
