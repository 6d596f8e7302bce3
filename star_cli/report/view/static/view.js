"use strict";
// Keys, labels, and the regions that follow a running run. Nothing here touches what a model wrote.
(() => {
  const byId = (id) => document.getElementById(id);
  const say = (text) => { byId("said").textContent = text; clearTimeout(say.timer); say.timer = setTimeout(() => { byId("said").textContent = ""; }, 4000); };
  const typing = (e) => e.target.closest("input:not([type=checkbox]), select, textarea");

  // Take what is new of this page from the server, region by region; the rest stays as it is.
  async function refresh() {
    const answer = await fetch(location.href);
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const old of document.querySelectorAll("[data-live]")) {
      const now = fresh.getElementById(old.id);
      if (!now || now.innerHTML === old.innerHTML) continue;
      const open = [...old.querySelectorAll("details")].map((d) => d.open);
      const checked = new Set([...old.querySelectorAll("input:checked")].map((i) => i.value));
      const focused = [...old.querySelectorAll("a, button, input")].indexOf(document.activeElement);
      old.replaceChildren(...now.childNodes);
      old.querySelectorAll("details").forEach((d, i) => { d.open = open[i] ?? d.open; });
      old.querySelectorAll("input[type=checkbox]").forEach((i) => { i.checked = checked.has(i.value); });
      if (focused >= 0) old.querySelectorAll("a, button, input")[focused]?.focus();
    }
  }

  let state = null;
  async function pulse() {
    const run = document.body.dataset.pulse;
    if (!run) return;
    let pause = 5000;
    try {
      const answer = await fetch("/pulse?run=" + encodeURIComponent(run));
      if (answer.ok) {
        const now = await answer.json();
        if (state !== null && now.state !== state && !document.hidden) await refresh();
        state = now.state;
        pause = now.running ? 1000 : 5000;
      }
    } catch { pause = 10000; } // the server is gone, or the tunnel to it
    setTimeout(pulse, pause);
  }

  async function label(place, value) {
    const note = place.querySelector("[data-note]").value;
    const body = { place: place.dataset.place, id: place.dataset.id, sample: Number(place.dataset.sample), label: value, note };
    const answer = await fetch("/label", { method: "POST", headers: { "x-star-view": "1" }, body: JSON.stringify(body) });
    const result = await answer.json();
    say(result.error || (value ? "labelled " + value : "label taken back"));
    await refresh();
  }

  document.addEventListener("click", (e) => {
    const button = e.target.closest("[data-set]");
    if (button) label(button.closest("[data-place]"), button.dataset.set);
    if (e.target.closest("#show-keys")) byId("keys").showModal();
  });

  document.addEventListener("toggle", async (e) => {
    const box = e.target;
    if (!box.open || !box.dataset.load) return;
    const url = box.dataset.load;
    delete box.dataset.load;
    const answer = await fetch(url);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    box.querySelector(".loaded").replaceChildren(...(fresh.querySelector("main") || fresh.body).childNodes);
  }, true);

  function step(by) {
    const rows = [...document.querySelectorAll("a.row")];
    if (!rows.length) return false;
    const at = rows.indexOf(document.activeElement);
    const next = at < 0 ? (by > 0 ? 0 : rows.length - 1) : at + by;
    if (next >= 0 && next < rows.length) { rows[next].focus(); rows[next].scrollIntoView({ block: "nearest" }); return true; }
    const page = document.querySelector(by > 0 ? ".pages a[rel=next]" : ".pages a[rel=prev]");
    if (page) page.click();
    return true;
  }

  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const field = typing(e);
    if (field) {
      if (e.key === "Escape") field.blur();
      if (e.key === "Enter" && field.matches("[data-note]")) {
        const place = field.closest("[data-place]");
        if (place.dataset.label) label(place, place.dataset.label);
        else say("say first whether the grader is wrong (w) or right (y)");
        field.blur();
      }
      return;
    }
    if (byId("keys").open) return;
    const key = { n: "j", p: "k" }[e.key] || e.key;
    const target = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
    if (key === "?") byId("keys").showModal();
    else if (key === "/") {
      const search = document.querySelector("[data-search]");
      if (!search) return;
      search.closest("details")?.setAttribute("open", "");
      search.focus();
    } else if (key === "e") {
      const note = document.querySelector("[data-note]");
      if (!note) return;
      note.focus();
    } else if (target) target.click();
    else if (key === "j" || key === "k") { if (!step(key === "j" ? 1 : -1)) return; }
    else return;
    e.preventDefault();
  });

  pulse();
})();
