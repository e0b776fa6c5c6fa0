"use strict";
(() => {
  const filters = document.getElementById("filters");
  const rows = [...document.querySelectorAll("tr.claim")];
  const evidenceOf = row => document.getElementById(`${row.id}-evidence`);
  const buttonOf = row => row.querySelector("button.open");
  const isOpen = row => buttonOf(row).getAttribute("aria-expanded") === "true";
  const words = new Map(rows.map(row => [row, `${row.textContent} ${evidenceOf(row).textContent}`.toLowerCase()]));

  // A claim's evidence, with the gallery's pictures beside it
  function addPictures(row) {
    for (const link of evidenceOf(row).querySelectorAll("a[data-picture]")) {
      const picture = document.getElementById(link.dataset.picture)?.querySelector("img");
      if (picture && !link.querySelector("img")) link.prepend(picture.cloneNode());
    }
  }
  function open(row, wanted) {
    if (wanted) addPictures(row);
    buttonOf(row).setAttribute("aria-expanded", String(wanted));
    evidenceOf(row).classList.toggle("shown-row", wanted && !row.hidden);
  }
  for (const row of rows) buttonOf(row).addEventListener("click", () => open(row, !isOpen(row)));

  // Filters, which the address keeps
  const fields = [...filters.elements].filter(field => field.name);
  const valueOf = name => filters.elements[name].value;
  function fits(row) {
    const asked = valueOf("text").toLowerCase().split(/\s+/).filter(Boolean);
    return ["paper", "verdict", "kind"].every(name => !valueOf(name) || row.dataset[name] === valueOf(name))
      && (!valueOf("data") || row.dataset.data.split(" ").includes(valueOf("data")))
      && asked.every(word => words.get(row).includes(word));
  }
  function filter() {
    for (const row of rows) {
      row.hidden = !fits(row);
      evidenceOf(row).classList.toggle("shown-row", isOpen(row) && !row.hidden);
    }
    const shown = rows.filter(row => !row.hidden).length;
    document.getElementById("shown").textContent = `${shown} of ${rows.length} claims shown`;
    const only = fields.filter(field => field.value)
      .map(field => `${field.name} ${field.selectedOptions?.[0].text ?? `“${field.value}”`}`);
    document.getElementById("view").textContent = only.length ? `: ${only.join(", ")}` : "";
    document.getElementById("none").hidden = shown > 0;
    const all = document.getElementById("open-all");
    all.setAttribute("aria-pressed", String(shown > 0 && rows.every(row => row.hidden || isOpen(row))));
  }
  function keep() {
    const asked = new URLSearchParams(fields.map(field => [field.name, field.value]).filter(pair => pair[1]));
    history.replaceState(null, "", `#${String(asked) || "all"}`);
  }
  function setFields(values) {
    for (const field of fields) field.value = values[field.name] ?? "";
    filter();
  }
  filters.addEventListener("input", () => { filter(); keep(); });
  filters.addEventListener("submit", event => event.preventDefault());
  filters.addEventListener("reset", event => { event.preventDefault(); setFields({}); keep(); });
  document.getElementById("open-all").addEventListener("click", event => {
    const wanted = event.currentTarget.getAttribute("aria-pressed") !== "true";
    for (const row of rows) if (!row.hidden) open(row, wanted);
    filter();
  });

  // What the address asks for: a view of the table, a claim to open, or a place that may be folded away
  const first = { kind: filters.elements.kind.dataset.first };
  function follow() {
    const asked = location.hash.slice(1);
    if (asked === "all" || asked.includes("=")) {
      setFields(Object.fromEntries(new URLSearchParams(asked)));
      if (asked.includes("=") || asked === "all") document.getElementById("verdicts").scrollIntoView();
      return;
    }
    const target = document.getElementById(decodeURIComponent(asked));
    if (!target) return;
    if (target.matches("tr.claim")) {
      if (target.hidden) setFields({});
      open(target, true);
    }
    for (let fold = target.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    for (const row of rows) row.classList.toggle("here", row === target);
    target.scrollIntoView();
  }
  addEventListener("hashchange", follow);
  setFields(first);
  if (location.hash) follow();

  // Commands to copy
  async function copy(button) {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      return "Copied";
    } catch {
      getSelection().selectAllChildren(button.parentElement.querySelector("code"));
      return document.execCommand("copy") ? "Copied" : "Selected";
    }
  }
  for (const button of document.querySelectorAll("button.copy")) {
    button.addEventListener("click", async () => {
      button.textContent = await copy(button);
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
  }
})();
