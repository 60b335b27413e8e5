// What the pages gain with a script: copying, search as one types, and values that follow the gateway. Everything else works without it.
"use strict";
(() => {
  const said = document.getElementById("said");
  const say = text => { if (said) said.textContent = text; };

  const prepare = root => {
    for (const button of root.querySelectorAll("[data-copy]")) button.hidden = false;
  };

  document.addEventListener("click", async event => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    try {
      if (navigator.clipboard) await navigator.clipboard.writeText(button.dataset.copy);
      else copyOlder(button.dataset.copy);
      say("Copied");
      button.classList.add("done");
      setTimeout(() => button.classList.remove("done"), 1500);
    } catch {
      say("The browser does not allow copying");
    }
  });

  // Over http to another machine, browsers offer no clipboard but this one.
  const copyOlder = text => {
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  };

  // Replaces an element by the one with the same id of another answer.
  const replace = (id, html) => {
    const next = new DOMParser().parseFromString(html, "text/html").getElementById(id);
    const now = document.getElementById(id);
    if (!next || !now) return false;
    now.replaceWith(next);
    prepare(next);
    return true;
  };

  for (const form of document.querySelectorAll("form[data-live]")) {
    let timer, asked;
    const search = async () => {
      const values = new URLSearchParams();
      for (const [name, value] of new FormData(form)) if (value) values.append(name, value);
      const address = `${form.getAttribute("action")}?${values}`;
      asked?.abort();
      asked = new AbortController();
      try {
        const answer = await fetch(address, { signal: asked.signal, credentials: "same-origin" });
        if (!answer.ok || !replace(form.dataset.live, await answer.text())) return location.assign(address);
        history.replaceState(null, "", address);
        const rows = document.getElementById(form.dataset.live).querySelectorAll("tbody tr").length;
        say(rows === 1 ? "1 row" : `${rows} rows`);
      } catch (problem) {
        if (problem.name !== "AbortError") location.assign(address);
      }
    };
    form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(search, 200); });
    form.addEventListener("submit", event => { event.preventDefault(); clearTimeout(timer); search(); });
  }

  // The gateway counts for a bounded time for each page, and goes on with the next request.
  const again = async left => {
    const part = document.querySelector("[data-again]");
    if (!part || left === 0) return;
    const answer = await fetch(location.href, { credentials: "same-origin" });
    if (answer.ok && replace(part.id, await answer.text())) setTimeout(again, 1000, left - 1);
  };
  setTimeout(again, 500, 10);

  // The gateway sends the element anew whenever it changed.
  for (const live of document.querySelectorAll("[data-events]")) {
    const id = live.id;
    const source = new EventSource(live.dataset.events);
    source.onmessage = event => {
      const now = document.getElementById(id);
      // What a person is using is left alone.
      if (now && now.contains(document.activeElement) && document.activeElement !== document.body) return;
      replace(id, event.data);
    };
    addEventListener("pagehide", () => source.close());
  }

  prepare(document);
})();
